from itertools import product

import pytest
import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.drconv import DRConv, from_conv

VARIANTS = ["official", "paper"]


def image(channels: int, height: int = 9, width: int = 7, batch: int = 4) -> Tensor:
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(1))


def taught(module: DRConv, x: Tensor, steps: int = 10) -> DRConv:
    """Take a few steps towards a random target."""
    torch.manual_seed(2)
    target = torch.randn_like(module(x))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(module(x), target).backward()
        optimizer.step()
    return module


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("stride", [1, 2])
def test_the_guide_chooses_the_region(variant: str, stride: int) -> None:
    torch.manual_seed(0)
    module, x = DRConv(3, 5, 3, stride, variant=variant, regions=4), image(3)
    scores = module.guide(x)
    assert scores.shape[2:] == (x.shape[2:] if variant == "official" else module(x).shape[2:])
    expected = module.regional(x, scores.argmax(dim=1), scores.softmax(dim=1))
    assert torch.equal(module(x), expected)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("training", [False, True])
def test_the_guide_learns_as_if_the_choice_were_soft(variant: str, training: bool) -> None:
    """Also in eval mode, where the common copy of the paper's form has no gradient."""
    torch.manual_seed(0)
    module, x = DRConv(3, 5, 3, variant=variant, regions=4, beta=0.5).double().train(training), image(3).double()
    y = module(x)
    cotangent = torch.randn_like(y)
    got = torch.autograd.grad(y, module.guide.weight, cotangent)
    scores = module.guide(x)
    every = [
        module.regional(x, torch.full_like(scores[:, 0], j, dtype=torch.long), scores.softmax(1)) for j in range(4)
    ]
    soft = sum(scores.softmax(dim=1)[:, j, None] * y.detach() for j, y in enumerate(every))
    expected = torch.autograd.grad(0.5 * soft, module.guide.weight, cotangent)
    assert expected[0].abs().max() > 0
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("variant", VARIANTS)
def test_use_alpha_teaches_filters_without_a_pixel(variant: str) -> None:
    torch.manual_seed(0)
    module, x = DRConv(3, 5, 1, variant=variant, regions=2).eval(), image(3)
    nn.init.zeros_(module.guide.weight)
    if module.guide.bias is not None:
        nn.init.zeros_(module.guide.bias)
    filters = module.regional.filters
    idle = filters.routing.bias if variant == "official" else filters.expand.bias
    gradients = []
    for module.use_alpha in (False, True):
        (gradient,) = torch.autograd.grad(module(x).square().sum(), idle)
        gradients.append(gradient.chunk(2)[1])
    assert gradients[0].abs().max() == 0
    assert gradients[1].abs().max() > 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_output_is_as_large_as_that_of_a_convolution(variant: str) -> None:
    for size, stride, padding, dilation in product((1, 2, 3, 5), (1, 2), (0, 1), (1, 2)):
        x = torch.randn(1, 3, 9, 12)
        expected = nn.Conv2d(3, 2, size, stride, padding, dilation)(x).shape
        assert DRConv(3, 2, size, stride, padding, dilation, variant=variant, regions=2)(x).shape == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_takes_the_pairs_of_a_replaced_convolution(variant: str) -> None:
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1)
    module = DRConv(4, 6, conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, variant=variant)
    assert module(torch.randn(1, 4, 7, 8)).shape == (1, 6, 4, 4)


def test_parameters_of_the_toy_of_the_papers_form() -> None:
    module = DRConv(64, 64, 3, variant="paper", regions=8, bias=False)
    assert sum(p.numel() for p in module.parameters()) == 303_688


def test_published_initialisation_of_the_bank() -> None:
    torch.manual_seed(0)
    filters = DRConv(16, 32, 3).regional.filters
    bound = (6 / (16 * 9)) ** 0.5
    assert filters.weight.abs().max() <= bound
    assert filters.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert filters.routing.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not filters.routing.bias.any()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("size", "stride", "variant"), [(1, 1, "paper"), (1, 2, "official"), (3, 1, "official"), (5, 2, "official")]
)
def test_from_conv_computes_the_convolution(size: int, stride: int, variant: str, bias: bool, training: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 24, size, stride, size // 2, bias=bias)
    module = DRConv(16, 24, size, stride, variant=variant, bias=bias).train(training)
    from_conv(module, conv)
    x = image(16)
    expected = conv(x).detach()
    rounding = conv.weight[0].numel() * torch.finfo(x.dtype).eps * float(expected.abs().max())
    torch.testing.assert_close(module(x), expected, rtol=0, atol=rounding)


@pytest.mark.parametrize(("size", "variant"), [(1, "paper"), (1, "official"), (3, "official")])
def test_regions_part_after_from_conv(size: int, variant: str) -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv2d(6, 8, size, padding=size // 2), image(6)
    module = DRConv(6, 8, size, variant=variant, regions=3)
    from_conv(module, conv)
    taught(module, x)
    scores = module.guide(x)
    alpha = scores.softmax(dim=1)
    every = [module.regional(x, torch.full_like(scores[:, 0], j, dtype=torch.long), alpha) for j in range(3)]
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert (every[one] - every[other]).abs().max() > 1e-3
    if variant == "official":
        kernels = module.regional.filters.weight
        assert min((kernels[:, i] - kernels[:, j]).abs().max() for i in range(8) for j in range(i)) > 1e-3


def test_from_conv_gives_a_bias_of_zero_to_a_convolution_without() -> None:
    conv, module = nn.Conv2d(4, 6, 3, padding=1, bias=False), DRConv(4, 6)
    nn.init.ones_(module.regional.bias)
    from_conv(module, conv)
    assert not module.regional.bias.any()


def test_from_conv_leaves_a_generator_of_larger_filters_as_it_is() -> None:
    module = DRConv(4, 6, 3, variant="paper")
    before = {name: value.clone() for name, value in module.state_dict().items()}
    from_conv(module, nn.Conv2d(4, 6, 3))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_from_conv_errors() -> None:
    with pytest.raises(
        ShapeError, match=r"^drconv got a convolution of weight \(6, 4, 1, 1\), expected \(6, 4, 3, 3\)$"
    ):
        from_conv(DRConv(4, 6), nn.Conv2d(4, 6, 1))
    with pytest.raises(
        ConfigError, match="^drconv got a convolution with bias, expected one without: build it with bi"
    ):
        from_conv(DRConv(4, 6, bias=False), nn.Conv2d(4, 6, 3))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ShapeError, "^drconv got in_channels=0, expected at least 1$"),
        ({"out_channels": 0}, ShapeError, "^drconv got out_channels=0, expected at least 1$"),
        ({"regions": 0}, ShapeError, "^drconv got regions=0, expected at least 1$"),
        ({"num_kernels": 0}, ShapeError, "^drconv got num_kernels=0, expected at least 1$"),
        ({"kernel_size": (3, 5)}, ShapeError, r"^drconv got kernel_size=\(3, 5\), expected equal numbers"),
        ({"groups": 2}, ConfigError, "^drconv got groups=2, expected 1"),
        ({"variant": "toy"}, ConfigError, "^drconv got variant='toy', expected one of 'official', 'paper'$"),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        DRConv(**{"in_channels": 4, "out_channels": 4, **arguments})
