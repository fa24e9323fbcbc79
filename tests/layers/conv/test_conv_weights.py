import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.conv_weights import take_over


def test_returns_weight_and_bias_without_gradients() -> None:
    conv = nn.Conv2d(4, 6, 3, groups=2)
    weight, bias = take_over("camconv", conv, (6, 2, 3, 3), bias=True)
    assert torch.equal(weight, conv.weight) and torch.equal(bias, conv.bias)
    assert not weight.requires_grad and not bias.requires_grad


@pytest.mark.parametrize("place", [True, False])
def test_a_missing_bias_is_zero(place: bool) -> None:
    bias = take_over("camconv", nn.Conv2d(4, 6, 1, bias=False).double(), (6, 4, 1, 1), bias=place)[1]
    assert torch.equal(bias, torch.zeros(6, dtype=torch.float64))


def test_another_shape() -> None:
    with pytest.raises(ShapeError, match=r"^camconv got a convolution of weight \(6, 4, 3, 3\), expected \(6, 4, 5"):
        take_over("camconv", nn.Conv2d(4, 6, 3), (6, 4, 5, 5), bias=True)


def test_a_bias_without_a_place() -> None:
    with pytest.raises(ConfigError, match="^camconv got a convolution with bias, expected one without: build it"):
        take_over("camconv", nn.Conv2d(4, 6, 3), (6, 4, 3, 3), bias=False)
