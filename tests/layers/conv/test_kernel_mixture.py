import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.geometry import Geometry
from visattn.layers.conv.kernel_mixture import KernelMixture, start_as

GEOMETRY = Geometry(kernel_size=3, stride=2, padding=2, dilation=2)


def build(groups: int = 1, bias: bool = True) -> KernelMixture:
    return KernelMixture(4, 6, GEOMETRY, groups=groups, bias=bias, count=3).double()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_equals_the_mixture_of_the_kernels_responses(groups: int, bias: bool, randomise, image) -> None:
    mixture, x = randomise(build(groups, bias)), image(4)
    shares = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.5, 0.25]]).double()
    expected = 0
    for number in range(3):
        kernel = mixture.weight[6 * number : 6 * number + 6]
        own = mixture.bias[number] if bias else None
        response = nn.functional.conv2d(x, kernel, own, stride=2, padding=2, dilation=2, groups=groups)
        expected = expected + shares[:, number, None, None, None] * response
    torch.testing.assert_close(mixture(x, shares), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_starts_as_a_given_convolution_with_kernels_that_differ(groups: int, bias: bool, image) -> None:
    mixture, x = build(groups), image(4)
    conv = nn.Conv2d(4, 6, 3, 2, 2, 2, groups, bias).double()
    start_as("condconv", mixture, conv, share=0.5)
    torch.testing.assert_close(mixture(x, torch.full((2, 3), 0.5).double()), conv(x), rtol=0, atol=1e-12)
    first, second, _ = mixture.weight.chunk(3)
    assert 0.1 < (first - second).std() / conv.weight.std() < 1


def test_each_kernel_starts_as_a_convolution() -> None:
    torch.manual_seed(0)
    mixture = KernelMixture(64, 32, GEOMETRY, groups=1, bias=True, count=4)
    bound = 1 / 24  # one over the root of 64 · 9 inputs
    for kernel in mixture.weight.chunk(4):
        assert 0.99 * bound < kernel.abs().max() <= bound
        assert kernel.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not mixture.bias.any()


def test_a_convolution_that_does_not_fit() -> None:
    with pytest.raises(ShapeError, match="^condconv got a convolution of weight"):
        start_as("condconv", build(), nn.Conv2d(4, 6, 5).double(), 0.5)
    with pytest.raises(ConfigError, match="^condconv got a convolution with bias, expected one without"):
        start_as("condconv", build(bias=False), nn.Conv2d(4, 6, 3).double(), 0.5)
