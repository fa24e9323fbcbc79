import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.context.danet_head import SPEC, DANetHead


def randomised(**options: object) -> DANetHead:
    module = DANetHead(32, 5, **options).double().eval()
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return module


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_published_parameters() -> None:
    assert sum(p.numel() for p in DANetHead(2048, 19).parameters()) == 23_954_619


def test_the_first_output_classifies_the_sum_of_what_the_others_see() -> None:
    module, x = randomised(), image(2, 32, 4, 5)
    position, channel = module.position(x), module.channel(x)
    for got, classify, features in zip(
        module(x),
        (module.classify_sum, module.classify_position, module.classify_channel),
        (position + channel, position, channel),
        strict=True,
    ):
        torch.testing.assert_close(got, classify(features))
    assert len(module(x)) == len(SPEC.loss_weights)


@pytest.mark.parametrize(("branch", "others"), [("position", 2), ("channel", 1)])
def test_each_branch_has_its_attention_between_its_convolutions(branch: str, others: int) -> None:
    module, x = randomised(), image(2, 32, 4, 5)
    before = module(x)
    with torch.no_grad():
        getattr(module, branch)[1].gamma.zero_()
    unchanged = [i for i, (a, b) in enumerate(zip(before, module(x), strict=True)) if torch.equal(a, b)]
    assert unchanged == [others]


def test_variant_is_that_of_the_channel_attention() -> None:
    assert DANetHead(32, 5).channel[1].variant == "official"
    assert DANetHead(32, 5, variant="paper").channel[1].variant == "paper"


def test_dropout_in_training_only() -> None:
    module, x = randomised(dropout=0.5), image(2, 32, 4, 5)
    assert torch.equal(module(x)[0], module(x)[0])
    module.train()
    assert not torch.equal(module(x)[0], module(x)[0])


def test_errors() -> None:
    with pytest.raises(ShapeError, match="danet_head got out_channels=0, expected at least 1"):
        DANetHead(32, 0)
    with pytest.raises(ShapeError, match="danet_head got in_channels=0, expected at least 1"):
        DANetHead(0, 5)
    with pytest.raises(ShapeError, match="danet_head got hidden=0, expected at least 1"):
        DANetHead(32, 5, hidden=0)
    with pytest.raises(ConfigError, match="danet_cam got variant='code', expected one of 'official', 'paper'"):
        DANetHead(32, 5, variant="code")
