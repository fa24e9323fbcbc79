import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.dynamic_conv import DynamicConv, cost


def test_mixes_by_a_softmax_of_the_pooled_image(randomise, image) -> None:
    module, x = randomise(DynamicConv(4, 6, 3, 2, temperature=2.0)), image(4)
    hidden = (x.mean((2, 3)) @ module.reduce.weight.T).relu()
    shares = ((hidden @ module.expand.weight.T + module.expand.bias) / 2).softmax(1)
    torch.testing.assert_close(module(x), module.mixture(x, shares))


def test_equal_kernels_are_one_convolution(randomise, image) -> None:
    """The weights add up to one, whatever they are."""
    module, x = randomise(DynamicConv(4, 6)), image(4)
    with torch.no_grad():
        module.mixture.weight.copy_(module.mixture.weight[:6].repeat(4, 1, 1, 1))
        module.mixture.bias.copy_(module.mixture.bias[:1].expand(4, -1))
    expected = nn.functional.conv2d(x, module.mixture.weight[:6], module.mixture.bias[0], padding=1)
    torch.testing.assert_close(module(x), expected)


def test_the_temperature_makes_the_weights_equal(randomise, image) -> None:
    module, x = randomise(DynamicConv(4, 6)), image(4)
    mean = module.mixture(x, torch.full((2, 4), 0.25).double())
    distances = []
    for module.temperature in (0.1, 1, 30, 1e9):
        distances.append((module(x) - mean).norm().item())
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-6 * distances[0]


def test_parameters_of_the_common_code() -> None:
    assert cost(64, 64, 7, 7).params == 148_872


def test_hidden_units() -> None:
    assert DynamicConv(64, 6).reduce.out_features == 17
    assert DynamicConv(2, 6).reduce.out_features == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ShapeError, "^dynamic_conv got in_channels=0, expected at least 1$"),
        ({"out_channels": 0}, ShapeError, "^dynamic_conv got out_channels=0, expected at least 1$"),
        ({"kernels": 0}, ShapeError, "^dynamic_conv got kernels=0, expected at least 1$"),
        ({"reduction": 0}, ShapeError, "^dynamic_conv got reduction=0, expected at least 1$"),
        ({"groups": 0}, ShapeError, "^dynamic_conv got groups=0, expected at least 1$"),
        ({"groups": 3}, ShapeError, "^dynamic_conv got in_channels=4, expected a multiple of groups=3$"),
        (
            {"temperature": 0},
            ConfigError,
            "^dynamic_conv got temperature=0, expected a number above 0: the paper",
        ),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        DynamicConv(**{"in_channels": 4, "out_channels": 4, **arguments})
