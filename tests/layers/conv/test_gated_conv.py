import pytest
import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.gated_conv import GatedConv, conv_cost, start_as


class Halved(GatedConv):
    mechanism = "halved"

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.gate = Half()


class Half(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / 2


def build(out: int = 6, groups: int = 2, bias: bool = True, norm_act: bool = False) -> Halved:
    return Halved(4, out, (3, 3), 2, None, 1, groups, bias, norm_act).eval()


def test_convolves_the_gated_input() -> None:
    module, x = build(), torch.randn(2, 4, 7, 8)
    assert torch.equal(module(x), module.conv(x / 2))
    assert module(x).shape == (2, 6, 4, 4)


def test_norm_and_activation() -> None:
    module, x = build(norm_act=True), torch.randn(2, 4, 7, 8)
    module.norm.running_mean.fill_(0.3)
    assert torch.equal(module(x), module.norm(module.conv(x / 2)).relu())
    assert (module(x) == 0).any()


@pytest.mark.parametrize("bias", [True, False])
def test_starts_as_a_given_convolution(bias: bool) -> None:
    module, conv = build(), nn.Conv2d(4, 6, 3, 2, 1, groups=2, bias=bias)
    start_as(module, conv, 0.5)
    x = torch.randn(2, 4, 7, 8)
    assert torch.equal(module(x), conv(x))


@pytest.mark.parametrize(("bias", "norm_act"), [(True, False), (False, True)])
def test_cost_is_that_of_the_convolution_and_the_norm(bias: bool, norm_act: bool) -> None:
    cost = conv_cost("halved", 4, 6, 7, 8, 3, 2, None, 1, 2, bias, norm_act)
    assert cost.params == sum(p.numel() for p in build(bias=bias, norm_act=norm_act).parameters())
    assert cost.macs == 2 * 6 * 9 * 4 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 6, 3, 1, None, 1, 1), "^halved got in_channels=0, expected at least 1$"),
        ((4, 0, 3, 1, None, 1, 1), "^halved got out_channels=0, expected at least 1$"),
        ((4, 6, 3, 1, None, 1, 0), "^halved got groups=0, expected at least 1$"),
        ((4, 6, 3, 1, None, 1, 4), "^halved got out_channels=6, expected a multiple of groups=4$"),
        ((6, 4, 3, 1, None, 1, 4), "^halved got in_channels=6, expected a multiple of groups=4$"),
        ((4, 6, (3, 5), 1, None, 1, 1), r"^halved got kernel_size=\(3, 5\), expected equal numbers"),
    ],
)
def test_shape_errors(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Halved(*arguments, True, False)


def test_a_convolution_that_does_not_fit() -> None:
    with pytest.raises(ShapeError, match="^halved got a convolution of weight"):
        start_as(build(), nn.Conv2d(4, 6, 5, groups=2), 0.5)
    with pytest.raises(ConfigError, match="^halved got a convolution with bias, expected one without"):
        start_as(build(bias=False), nn.Conv2d(4, 6, 3, groups=2), 0.5)
