import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from visattn.layers.conv.geometry import Geometry
from visattn.layers.conv.region_conv import FilterGenerator, KernelBank, RegionConv

GEOMETRIES = [
    Geometry(kernel_size=1, stride=1, padding=0, dilation=1),
    Geometry(kernel_size=3, stride=1, padding=1, dilation=1),
    Geometry(kernel_size=3, stride=2, padding=0, dilation=2),
    Geometry(kernel_size=2, stride=3, padding=1, dilation=1),
]
KINDS = ["bank", "generator"]


def build(kind: str, geometry: Geometry, regions: int = 3, bias: bool = True) -> RegionConv:
    torch.manual_seed(0)
    filters = KernelBank(4, 5, geometry, regions, 6) if kind == "bank" else FilterGenerator(4, 5, geometry, regions)
    module = RegionConv(filters, 5, bias).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5)
    return module


def filters_of(module: RegionConv, x: Tensor, regions: int) -> Tensor:
    """Write the filters of every region of every image out: (B, m, out, C, k, k)."""
    filters, size = module.filters, module.filters.geometry.kernel_size
    if isinstance(filters, KernelBank):
        shares = 2 * filters.routing(x.mean(dim=(2, 3))).reshape(len(x), regions, 6).sigmoid() / 6
        return torch.einsum("bmn,pn->bmp", shares, filters.weight).reshape(len(x), regions, 5, 4, size, size)
    code = filters.reduce(nn.functional.adaptive_avg_pool2d(x, size)).sigmoid()
    code = code.reshape(len(x), regions, regions, size, size)
    weight = filters.expand.weight.reshape(regions, 5, 4, regions)
    bias = filters.expand.bias.reshape(regions, 5, 4, 1, 1)
    return torch.einsum("moci,bmiyx->bmocyx", weight, code) + bias


def inputs(geometry: Geometry, regions: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, 7, 8, generator=generator, dtype=torch.float64)
    guide = torch.randn(2, regions, *geometry.output_size(7, 8), generator=generator, dtype=torch.float64)
    return x, guide.argmax(dim=1), guide.softmax(dim=1)


def responses_of(module: RegionConv, x: Tensor, regions: int = 3) -> Tensor:
    """Convolve every image with every filter: (B, m, out, H', W')."""
    geometry, filters = module.filters.geometry, filters_of(module, x, regions)
    place = {"stride": geometry.stride, "padding": geometry.padding, "dilation": geometry.dilation}
    pairs = [[nn.functional.conv2d(i[None], w, **place)[0] for w in own] for i, own in zip(x, filters, strict=True)]
    return torch.stack([torch.stack(own) for own in pairs])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_each_pixel_has_the_filter_of_its_region(kind: str, geometry: Geometry) -> None:
    module, (x, mask, alpha) = build(kind, geometry), inputs(geometry)
    responses, y = responses_of(module, x), module(x, mask, alpha)
    assert y.shape == (2, 5, *geometry.output_size(7, 8))
    for sample, i, j in product(range(2), *map(range, y.shape[2:])):
        expected = responses[sample, mask[sample, i, j], :, i, j] + module.bias
        torch.testing.assert_close(y[sample, :, i, j], expected, rtol=0, atol=1e-12)


def test_two_pixels_by_hand() -> None:
    module = RegionConv(KernelBank(1, 1, GEOMETRIES[0], regions=2, num_kernels=2), 1, bias=False)
    with torch.no_grad():
        module.filters.weight.copy_(torch.tensor([[2.0, 4.0]]))
        module.filters.routing.weight.zero_()
        module.filters.routing.bias.copy_(torch.tensor([0, 0, math.log(3), -math.log(3)]))
    x = torch.tensor([[[[5.0, 7.0]]]])
    alpha = torch.tensor([[[[0.9, 0.2]], [[0.1, 0.8]]]], requires_grad=True)
    # shares (1/2, 1/2) and (3/4, 1/4) of the kernels 2 and 4: filters 3 and 2.5
    y = module(x, torch.tensor([[[0, 1]]]), alpha, beta=10)
    torch.testing.assert_close(y, torch.tensor([[[[15.0, 17.5]]]]))
    (gradient,) = torch.autograd.grad(y.sum(), alpha)
    torch.testing.assert_close(gradient, torch.tensor([[[[150.0, 210.0]], [[125.0, 175.0]]]]))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: str) -> None:
    """The guide's is dense over the regions, all others are those of the chosen regions."""
    module, (x, mask, alpha) = build(kind, GEOMETRIES[1]), inputs(GEOMETRIES[1])
    x.requires_grad_()
    alpha.requires_grad_()
    leaves = [x, *module.parameters()]
    y = module(x, mask, alpha, beta=0.25)
    cotangent = torch.randn_like(y)
    responses = responses_of(module, x)
    chosen = nn.functional.one_hot(mask, 3).movedim(-1, 1).unsqueeze(2)
    plain = (responses * chosen).sum(dim=1) + module.bias[:, None, None]
    *got, to_alpha = torch.autograd.grad(y, [*leaves, alpha], cotangent)
    expected = torch.autograd.grad(plain, leaves, cotangent)
    torch.testing.assert_close(tuple(got), expected, rtol=0, atol=1e-10)
    dense = 0.25 * (responses * cotangent.unsqueeze(1)).sum(dim=2)
    torch.testing.assert_close(to_alpha, dense, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_with_use_alpha(kind: str) -> None:
    """Filters learn from all pixels by alpha, what the filters are convolved with from the chosen regions."""
    module, (x, mask, alpha) = build(kind, GEOMETRIES[1]), inputs(GEOMETRIES[1])
    alpha.requires_grad_()
    y = module(x, mask, alpha, use_alpha=True)
    assert torch.equal(y, module(x, mask, alpha))
    cotangent = torch.randn_like(y)
    responses = responses_of(module, x)
    soft = (responses * alpha.detach().unsqueeze(2)).sum(dim=1) + module.bias[:, None, None]
    *got, to_alpha = torch.autograd.grad(y, [*module.parameters(), alpha], cotangent)
    torch.testing.assert_close(tuple(got), torch.autograd.grad(soft, list(module.parameters()), cotangent))
    torch.testing.assert_close(to_alpha, (responses * cotangent.unsqueeze(1)).sum(dim=2))
    # filters that do not depend on the image leave the hard path alone to reach it
    with torch.no_grad():
        (module.filters.routing if kind == "bank" else module.filters.expand).weight.zero_()
    x.requires_grad_()
    hard = module(x, mask, alpha, use_alpha=False)
    torch.testing.assert_close(
        torch.autograd.grad(module(x, mask, alpha, use_alpha=True), x, cotangent),
        torch.autograd.grad(hard, x, cotangent),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_mask_and_alpha_go_to_the_output_by_nearest_neighbour(kind: str) -> None:
    geometry = Geometry(kernel_size=3, stride=2, padding=1, dilation=1)
    module, (x, _, _) = build(kind, geometry), inputs(geometry)
    x = x[..., :6, :]
    guide = torch.randn(2, 3, 6, 8, dtype=torch.float64)
    mask, alpha = guide.argmax(dim=1), guide.softmax(dim=1).requires_grad_()
    y = module(x, mask, alpha)
    torch.testing.assert_close(y, module(x, mask[:, ::2, ::2], alpha[:, :, ::2, ::2]))
    (gradient,) = torch.autograd.grad(y.sum(), alpha)
    assert gradient[..., ::2, ::2].abs().min() > 0
    assert gradient[..., 1::2, :].abs().max() == gradient[..., 1::2].abs().max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_equal_filters_are_a_plain_convolution(kind: str) -> None:
    module, (x, mask, alpha) = build(kind, GEOMETRIES[1]), inputs(GEOMETRIES[1])
    kernel = torch.randn(5, 4, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        if kind == "bank":
            module.filters.weight.copy_(kernel.reshape(-1, 1).expand(-1, 6))
            module.filters.routing.weight.zero_()
            module.filters.routing.bias.zero_()
        else:
            kernel = kernel[..., :1, :1].expand(-1, -1, 3, 3)
            module.filters.expand.weight.zero_()
            module.filters.expand.bias.copy_(kernel[..., 0, 0].flatten().repeat(3))
    expected = nn.functional.conv2d(x, kernel, module.bias, padding=1)
    torch.testing.assert_close(module(x, mask, alpha), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_one_region_is_a_convolution_per_image(kind: str) -> None:
    module, (x, mask, alpha) = build(kind, GEOMETRIES[1], regions=1), inputs(GEOMETRIES[1], regions=1)
    kernels = filters_of(module, x, regions=1)[:, 0]
    images = [nn.functional.conv2d(i[None], w, module.bias, padding=1) for i, w in zip(x, kernels, strict=True)]
    torch.testing.assert_close(module(x, mask, alpha), torch.cat(images))


@pytest.mark.parametrize("kind", KINDS)
def test_bias_is_optional(kind: str) -> None:
    module, (x, mask, alpha) = build(kind, GEOMETRIES[1]), inputs(GEOMETRIES[1])
    expected = module(x, mask, alpha) - module.bias[:, None, None]
    module.bias = None
    torch.testing.assert_close(module(x, mask, alpha), expected)
    assert "bias" not in build(kind, GEOMETRIES[1], bias=False).state_dict()
