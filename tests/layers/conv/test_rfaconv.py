import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.rfaconv import RFAConv, cost


def randomise(module: nn.Module) -> nn.Module:
    """Move every parameter and statistic away from its start, in double precision."""
    torch.manual_seed(0)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return module


def image(channels: int, height: int = 9, width: int = 7, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64)


def spread(field: Tensor, size: int) -> Tensor:
    """Lay the taps of (B, C, k², H, W) out side by side: (B, C, kH, kW)."""
    batch, channels, _, height, width = field.shape
    taps = field.reshape(batch, channels, size, size, height, width).permute(0, 1, 4, 2, 5, 3)
    return taps.reshape(batch, channels, height * size, width * size)


def literal(module: RFAConv, x: Tensor, size: int, stride: int, padding: int, training: bool) -> Tensor:
    """Compute what the authors' text says: weights times features, spread out, k×k convolution of stride k."""
    batch, channels, field = len(x), x.shape[1], module.field

    def norm(y: Tensor, layer: nn.BatchNorm2d) -> Tensor:
        return nn.functional.batch_norm(
            y, layer.running_mean.clone(), layer.running_var.clone(), layer.weight, layer.bias, training
        )

    if hasattr(field, "features"):
        mean = nn.functional.avg_pool2d(x, size, stride, padding)
        logits = nn.functional.conv2d(mean, field.attention.weight, groups=channels)
        features = nn.functional.conv2d(x, field.features.weight, stride=stride, padding=padding, groups=channels)
        features = norm(features, field.norm).relu()
    else:
        rows = (x.shape[2] + 2 * padding - size) // stride + 1
        features = nn.functional.unfold(x, size, padding=padding, stride=stride)
        features = features.reshape(batch, channels * size**2, rows, -1)
        weight = field.attention.weight.reshape(channels * size**2, size**2, 1, 1)
        logits = norm(nn.functional.conv2d(features, weight, field.attention.bias, groups=channels), field.norm)
    apart = (batch, channels, size**2, *logits.shape[2:])
    field_map = spread(features.reshape(apart) * logits.reshape(apart).softmax(dim=2), size)
    weight = module.project.weight.reshape(-1, channels, size, size)
    y = nn.functional.conv2d(field_map, weight, module.project.bias, stride=size)
    return y if module.norm is None else norm(y, module.norm).relu()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("norm_act", [False, True])
@pytest.mark.parametrize("variant", ["group", "unfold"])
@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (3, 1, 0), (5, 2, 2), (5, 3, 1), (1, 2, 0)]
)
def test_equals_the_convolution_of_the_spread_out_map(
    size: int, stride: int, padding: int, variant: str, norm_act: bool, training: bool
) -> None:
    module = randomise(RFAConv(4, 6, size, stride, padding, variant=variant, norm_act=norm_act)).train(training)
    x = image(4)
    expected = literal(module, x, size, stride, padding, training)
    torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-12)


def test_one_pixel_by_hand() -> None:
    module = RFAConv(1, 1, 3).eval()
    with torch.no_grad():
        module.field.attention.weight.zero_()
        module.field.attention.weight[0] = 9 / 2 * math.log(3)
        module.field.features.weight.fill_(1)
        module.field.norm.running_var.fill_(1 - module.field.norm.eps)
        module.project.weight.fill_(1)
        module.project.weight[0, 0] = 5
        module.project.bias.fill_(0.5)
    # the mean of the patch is 2/9, so the first of nine logits is ln 3: weights 3/11 and eight times 1/11
    expected = 2 * (5 * 3 + 8) / 11 + 0.5
    assert module(torch.full((1, 1, 1, 1), 2.0)).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("variant", ["group", "unfold"])
def test_without_attention_every_tap_weighs_the_same(variant: str) -> None:
    module = randomise(RFAConv(4, 6, 3, variant=variant)).eval()
    x = image(4)
    with torch.no_grad():
        module.field.attention.weight.zero_()
        if variant == "group":
            features = module.field.norm(module.field.features(x)).relu()
            expected = nn.functional.conv2d(features / 9, module.project.weight, module.project.bias)
        else:
            nn.init.zeros_(module.field.norm.weight)
            nn.init.zeros_(module.field.norm.bias)
            weight = module.project.weight.reshape(6, 4, 3, 3) / 9
            expected = nn.functional.conv2d(x, weight, module.project.bias, padding=1)
        torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("variant", ["group", "unfold"])
def test_a_stride_takes_every_nth_pixel(variant: str) -> None:
    one, three = (randomise(RFAConv(4, 6, 3, stride, variant=variant)).eval() for stride in (1, 3))
    torch.testing.assert_close(three(image(4)), one(image(4))[..., ::3, ::3], rtol=0, atol=1e-12)


@pytest.mark.parametrize("variant", ["group", "unfold"])
def test_the_output_is_as_large_as_that_of_a_convolution(variant: str) -> None:
    for size, stride, (height, width) in product((1, 3, 5, 7), (1, 2, 3), ((7, 7), (8, 5), (1, 2))):
        x = torch.randn(1, 3, height, width)
        expected = nn.Conv2d(3, 2, size, stride, size // 2)(x).shape
        assert RFAConv(3, 2, size, stride, variant=variant).eval()(x).shape == expected


def test_takes_the_pairs_of_a_replaced_convolution() -> None:
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1)
    module = RFAConv(4, 6, conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    assert module(torch.randn(2, 4, 7, 8)).shape == (2, 6, 4, 4)


def test_a_group_field_sees_the_patch_only_through_its_mean_and_features() -> None:
    module = randomise(RFAConv(1, 1, 3, variant="group")).eval()
    x = image(1, 3, 3, batch=1)
    turned = x.flip(2, 3)
    with torch.no_grad():
        module.field.features.weight.copy_(module.field.features.weight[:, :, :1, :1].expand(-1, -1, 3, 3))
        torch.testing.assert_close(module(x)[..., 1, 1], module(turned)[..., 1, 1])
        unfold = randomise(RFAConv(1, 1, 3, variant="unfold")).eval()
        assert not torch.allclose(unfold(x)[..., 1, 1], unfold(turned)[..., 1, 1])


@pytest.mark.parametrize(("channels", "out"), [(64, 64), (64, 128), (3, 17)])
def test_published_extra_parameters(channels: int, out: int) -> None:
    plain = sum(p.numel() for p in nn.Conv2d(channels, out, 3, bias=False).parameters())
    extra = sum(p.numel() for p in RFAConv(channels, out).parameters()) - plain
    assert extra == 108 * channels + out


def test_published_resnet18() -> None:
    """The first convolution of every basic block is replaced, at 224×224."""
    blocks = [(64, 64, 56, 1)] * 2
    for out, size in ((128, 56), (256, 28), (512, 14)):
        blocks += [(out // 2, out, size, 2), (out, out, size // 2, 1)]
    costs = [cost(c, o, size, size, stride=stride) for c, o, size, stride in blocks]
    params = sum(c.params - 9 * i * o for c, (i, o, _, _) in zip(costs, blocks, strict=True))
    macs = sum(c.macs - 9 * i * o * (size // s) ** 2 for c, (i, o, size, s) in zip(costs, blocks, strict=True))
    assert 11_689_512 + params == 11_850_408
    assert round((1_814_073_344 + macs) / 1e9, 4) == 1.8739


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ShapeError, "^rfaconv got in_channels=0, expected at least 1$"),
        ({"out_channels": 0}, ShapeError, "^rfaconv got out_channels=0, expected at least 1$"),
        ({"kernel_size": 4}, ShapeError, "^rfaconv got kernel_size=4, expected an odd number: use 3 or 5$"),
        ({"kernel_size": (3, 5)}, ShapeError, r"^rfaconv got kernel_size=\(3, 5\), expected equal numbers"),
        (
            {"padding": 2},
            ShapeError,
            "^rfaconv got padding=2 with kernel_size=3, expected at most 1: a mean of padding",
        ),
        ({"dilation": 2}, ConfigError, "^rfaconv got dilation=2, expected 1"),
        ({"groups": 2}, ConfigError, "^rfaconv got groups=2, expected 1"),
        ({"variant": "paper"}, ConfigError, "^rfaconv got variant='paper', expected one of 'group', 'unfold'$"),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RFAConv(**{"in_channels": 4, "out_channels": 4, **arguments})
