import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.local_conv import LocalConv, cost, from_conv


@pytest.mark.parametrize(
    ("size", "stride", "padding", "dilation", "groups"),
    [(3, 1, 1, 1, 1), (3, 2, 0, 1, 2), (5, 2, 2, 1, 1), (3, 1, 2, 2, 4)],
)
def test_each_position_has_its_own_weights(
    size: int, stride: int, padding: int, dilation: int, groups: int, randomise, image
) -> None:
    module = randomise(LocalConv(4, 8, size, stride, padding, dilation, groups, height=9, width=7))
    x = image(4)
    y = module(x)
    for row, column in ((0, 0), (1, 2), (y.shape[2] - 1, y.shape[3] - 1)):
        plain = nn.functional.conv2d(
            x, module.weight[row, column], module.bias[:, row, column], stride, padding, dilation, groups
        )
        torch.testing.assert_close(y[..., row, column], plain[..., row, column], rtol=0, atol=1e-12)


def test_a_change_at_one_position_stays_there(randomise, image) -> None:
    module, x = randomise(LocalConv(4, 6, height=9, width=7)), image(4)
    before = module(x)
    with torch.no_grad():
        module.weight[3, 2] += 1
    assert (module(x) != before).any(0).any(0).nonzero().tolist() == [[3, 2]]


@pytest.mark.parametrize("bias", [True, False])
def test_starts_as_a_given_convolution(bias: bool, image) -> None:
    module = LocalConv(4, 6, 3, 2, height=9, width=7).double()
    conv = nn.Conv2d(4, 6, 3, 2, 1, bias=bias).double()
    from_conv(module, conv)
    torch.testing.assert_close(module(image(4)), conv(image(4)))


def test_each_position_starts_as_a_convolution() -> None:
    module = LocalConv(64, 32, height=4, width=5)
    bound = 1 / 24  # one over the root of 64 · 9 inputs
    assert 0.99 * bound < module.weight.abs().max() <= bound
    assert module.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    assert 0.9 * bound < module.bias.abs().max() <= bound


def test_has_the_products_of_a_convolution_and_its_parameters_at_every_position() -> None:
    own = cost(4, 6, 7, 9, stride=2, groups=2)
    assert own.macs == 2 * 6 * 9 * 4 * 5
    assert own.params == own.macs + 6 * 4 * 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "^local_conv got in_channels=0, expected at least 1$"),
        ({"out_channels": 0}, "^local_conv got out_channels=0, expected at least 1$"),
        ({"height": 0}, "^local_conv got height=0, expected at least 1$"),
        ({"width": 0}, "^local_conv got width=0, expected at least 1$"),
        ({"groups": 0}, "^local_conv got groups=0, expected at least 1$"),
        ({"groups": 3}, "^local_conv got in_channels=4, expected a multiple of groups=3$"),
        (
            {"kernel_size": 7, "padding": 0},
            "^local_conv got a 5×6 input, which a kernel of 7 with dilation 1 does",
        ),
    ],
)
def test_shape_errors(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        LocalConv(**{"in_channels": 4, "out_channels": 4, "height": 5, "width": 6, **arguments})


def test_another_size() -> None:
    with pytest.raises(ShapeError, match="^local_conv got a 6×6 input, expected 5×6: its weights belong to positions"):
        LocalConv(4, 4, height=5, width=6)(torch.ones(1, 4, 6, 6))


def test_a_convolution_that_does_not_fit() -> None:
    module = LocalConv(4, 6, bias=False, height=5, width=6)
    with pytest.raises(ShapeError, match="^local_conv got a convolution of weight"):
        from_conv(module, nn.Conv2d(4, 6, 5))
    with pytest.raises(ConfigError, match="^local_conv got a convolution with bias, expected one without"):
        from_conv(module, nn.Conv2d(4, 6, 3))
