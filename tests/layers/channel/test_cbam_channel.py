import math

import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.channel.cbam_channel import CBAMChannel
from visattn.layers.channel.se import SE


def randomised(channels: int, **options: object) -> CBAMChannel:
    gate = CBAMChannel(channels, **options)
    with torch.no_grad():
        for p in gate.parameters():
            p.normal_()
    return gate


@pytest.mark.parametrize("pool", ["avg", "max"])
@pytest.mark.parametrize(("variant", "bias"), [("official", True), ("paper", False)])
def test_one_pooling_is_se(pool: str, variant: str, bias: bool) -> None:
    gate = randomised(12, reduction=3, pooling=[pool], variant=variant)
    se = SE(12, reduction=3, bias=bias, squeeze=pool)
    se.load_state_dict(gate.state_dict())
    x = torch.randn(2, 12, 5, 7)
    torch.testing.assert_close(gate(x), se(x))


def test_logits_are_summed_before_the_sigmoid() -> None:
    """Average and maximum of a constant image are equal, so both together double the logits of one."""
    both = randomised(8, reduction=2).double()
    one = CBAMChannel(8, reduction=2, pooling=["avg"]).double()
    one.load_state_dict(both.state_dict())
    x = torch.randn(2, 8, 1, 1, dtype=torch.float64).expand(2, 8, 3, 4)
    torch.testing.assert_close(both.gate(x).logit(), 2 * one.gate(x).logit())


def test_by_hand() -> None:
    """One channel with values 1 and 3, both layers the identity: mean 2 and maximum 3 give the logit 5."""
    gate = CBAMChannel(1, variant="paper")
    with torch.no_grad():
        gate.reduce.weight.fill_(1)
        gate.expand.weight.fill_(1)
    x = torch.tensor([[[[1.0, 3.0]]]])
    torch.testing.assert_close(gate(x), x * torch.tensor(5.0).sigmoid())


@pytest.mark.parametrize(
    ("pool", "value"), [("avg", 0.5), ("max", 0.5), ("lp", 0.5 * math.sqrt(12)), ("lse", 0.5 + math.log(12))]
)
def test_poolings_of_a_constant_image(pool: str, value: float) -> None:
    gate = CBAMChannel(1, pooling=[pool], variant="paper").double()
    with torch.no_grad():
        gate.reduce.weight.fill_(1)
        gate.expand.weight.fill_(1)
    x = torch.full((1, 1, 3, 4), 0.5, dtype=torch.float64)
    torch.testing.assert_close(gate.gate(x).logit().item(), value)


def test_a_tie_of_maxima_sends_its_gradient_to_the_first() -> None:
    gate = randomised(2, reduction=1, pooling=["max"])
    x = torch.ones(1, 2, 3, 4, requires_grad=True)
    gate.gate(x).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten(2).nonzero()[:, 2].tolist() == [0, 0]


def test_lp_pooling_of_a_zero_image_has_a_finite_gradient() -> None:
    x = torch.zeros(1, 4, 3, 3, requires_grad=True)
    randomised(4, pooling=["lp"])(x).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_biases_start_at_zero_or_are_absent() -> None:
    official, paper = CBAMChannel(16), CBAMChannel(16, variant="paper")
    assert not official.reduce.bias.any() and not official.expand.bias.any()
    assert paper.reduce.bias is None and paper.expand.bias is None


def test_bottleneck_keeps_one_unit() -> None:
    assert CBAMChannel(8).reduce.out_features == 1


def test_errors() -> None:
    with pytest.raises(ShapeError, match="cbam_channel got channels=0, expected at least 1"):
        CBAMChannel(0)
    with pytest.raises(ShapeError, match="cbam_channel got reduction=0, expected at least 1"):
        CBAMChannel(8, reduction=0)
    with pytest.raises(ConfigError, match=r"cbam_channel got pooling=\[\], expected a list of one or more of 'avg'"):
        CBAMChannel(8, pooling=[])
    with pytest.raises(ConfigError, match="cbam_channel got variant='timm', expected one of 'official', 'paper'"):
        CBAMChannel(8, variant="timm")
