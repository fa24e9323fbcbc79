import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.context.rcca import RCCA


def randomised(**options: object) -> RCCA:
    module = RCCA(32, 5, **options).double().eval()
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return module


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_published_parameters() -> None:
    assert sum(p.numel() for p in RCCA(2048, 19).parameters()) == 23_934_100


def test_the_input_comes_before_its_context() -> None:
    module, x = randomised(features=7), image(2, 32, 4, 5)
    joined = torch.cat((x, module.context(x)), dim=1)
    torch.testing.assert_close(module(x), module.classify(module.fuse(joined)))
    assert module.classify.in_channels == 7


def test_the_rounds_matter_only_with_gamma() -> None:
    once, twice, x = randomised(recurrence=1), randomised(recurrence=2), image(2, 32, 4, 5)
    twice.load_state_dict(once.state_dict())
    assert not torch.allclose(once(x), twice(x))
    for module in (once, twice):
        torch.nn.init.zeros_(module.context[1].gamma)
    assert torch.equal(once(x), twice(x))


def test_far_positions_meet_through_the_attention() -> None:
    """Two 3×3 convolutions see 2 pixels each way and the third one more; row and column see the rest."""
    module, x = randomised(), image(1, 32, 12, 12).requires_grad_()
    module(x)[0, :, 0, 0].sum().backward()
    assert x.grad[0, :, 11, 11].abs().max() > 1e-12
    torch.nn.init.zeros_(module.context[1].gamma)
    x.grad = None
    module(x)[0, :, 0, 0].sum().backward()
    assert x.grad[0, :, 4:, 4:].abs().max() == 0


def test_dropout_in_training_only() -> None:
    module, x = randomised(dropout=0.5), image(2, 32, 4, 5)
    assert torch.equal(module(x), module(x))
    module.train()
    assert not torch.equal(module(x), module(x))


def test_errors() -> None:
    for name in ("in_channels", "out_channels", "hidden", "features", "recurrence"):
        with pytest.raises(ShapeError, match=f"rcca got {name}=0, expected at least 1"):
            RCCA(**{"in_channels": 32, "out_channels": 5, "hidden": 8, name: 0})
