import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.acmix import ACmix, cost
from visattn.layers.conv.coordinates import coordinates


def build(*args: int, seed: int = 0, **options: object) -> ACmix:
    torch.manual_seed(seed)
    module = ACmix(*args, **options).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5)
    return module


def image(channels: int, height: int = 6, width: int = 5, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64)


def mirror(index: int, size: int) -> int:
    return -index if index < 0 else 2 * (size - 1) - index if index >= size else index


def test_attention_equals_a_loop_over_windows() -> None:
    """With the position of the query, which the module leaves out because it cancels."""
    module, x = build(3, 4, heads=2, kernel_attention=5), image(3)
    q, k, v = module.query(x), module.key(x), module.value(x)
    p = module.attention.position(coordinates(x))[0]
    expected = torch.empty_like(q)
    for sample, head, i, j in product(range(2), range(2), range(6), range(5)):
        own = slice(2 * head, 2 * head + 2)
        around = [(mirror(i + a, 6), mirror(j + b, 5)) for a, b in product(range(-2, 3), repeat=2)]
        logits = [q[sample, own, i, j] @ (k[sample, own, r, c] + p[:, i, j] - p[:, r, c]) for r, c in around]
        weights = (torch.stack(logits) / math.sqrt(2)).softmax(dim=0)
        expected[sample, own, i, j] = weights @ torch.stack([v[sample, own, r, c] for r, c in around])
    torch.testing.assert_close(module.attention(q, k, v), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_convolution_starts_as_a_sum_of_shifts(size: int) -> None:
    torch.manual_seed(0)
    module, x = ACmix(3, 8, size, heads=2).double(), image(3)
    with torch.no_grad():
        module.attention_rate.zero_()
        q, k, v = (layer(x).reshape(2, 2, 4, 6, 5) for layer in (module.query, module.key, module.value))
        maps = torch.einsum("tj,bjdhw->btdhw", module.mix.weight[:, :, 0, 0], torch.cat((q, k, v), dim=1))
        radius = size // 2
        padded = nn.functional.pad(maps, (radius,) * 4)
        shifts = [padded[:, t, :, t // size :, t % size :][..., :6, :5] for t in range(size**2)]
        # every head gets the same sum; channel d of head h is number 2 d + h
        expected = 0.5 * sum(shifts).repeat_interleave(2, dim=1)
        torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-12)


def test_the_convolution_is_one_grouped_convolution() -> None:
    """Mix and shift are linear with nothing between."""
    module, x = build(3, 8, heads=2), image(3)
    q, k, v = module.query(x), module.key(x), module.value(x)
    kernel = torch.einsum("otyx,tj->ojyx", module.shift.weight, module.mix.weight[:, :, 0, 0])
    by_depth = torch.stack((q, k, v), dim=1).reshape(2, 6, 4, 6, 5).transpose(1, 2).reshape(2, 24, 6, 5)
    expected = nn.functional.conv2d(by_depth, kernel, padding=1, groups=4)
    torch.testing.assert_close(module.convolve(q, k, v), expected, rtol=0, atol=1e-12)


def test_the_result_is_the_weighted_sum_of_both_paths() -> None:
    module, x = build(3, 8), image(3)
    q, k, v = module.query(x), module.key(x), module.value(x)
    with torch.no_grad():
        module.attention_rate.fill_(2)
        module.convolution_rate.fill_(-3)
    expected = 2 * module.attention(q, k, v) - 3 * module.convolve(q, k, v)
    torch.testing.assert_close(module(x), expected)
    fresh = ACmix(3, 8)
    assert fresh.attention_rate.item() == fresh.convolution_rate.item() == 0.5


def test_a_window_of_one_pixel_is_the_value() -> None:
    module, x = build(3, 8, kernel_attention=1), image(3, 1, 2)
    q, k, v = module.query(x), module.key(x), module.value(x)
    torch.testing.assert_close(module.attention(q, k, v), v)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize(("height", "width"), [(7, 5), (8, 9)])
def test_a_stride_takes_every_nth_pixel(height: int, width: int, stride: int, size: int) -> None:
    """Also at sizes that the stride does not divide, where the authors' code fails."""
    plain, strided = build(3, 8, size), build(3, 8, size, stride)
    x = image(3, height, width, batch=1)
    expected = plain(x)[..., ::stride, ::stride]
    assert expected.shape == nn.Conv2d(3, 8, size, stride, size // 2)(x.float()).shape
    torch.testing.assert_close(strided(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("attention", ["window", "global", "patchwise", "pairwise"])
def test_another_form_takes_the_place_of_local_attention(attention: str) -> None:
    module, x = build(3, 8, attention=attention, kernel_attention=5).eval(), image(3)
    q, k, v = module.query(x), module.key(x), module.value(x)
    local = build(3, 8, kernel_attention=5)
    other = build(3, 8, attention=attention, kernel_attention=5, seed=1).eval()
    assert not torch.allclose(module.attention(q, k, v), local.attention(q, k, v))
    other.load_state_dict(module.state_dict())
    torch.testing.assert_close(other(x), module(x))
    assert module.attention(q, k, v).shape == v.shape


def test_tiles_do_not_change_the_result() -> None:
    x = image(3, 9, 7)
    torch.testing.assert_close(build(3, 8, tile=1)(x), build(3, 8, tile=4)(x), rtol=0, atol=1e-12)


def test_the_bias_of_the_positions_cancels() -> None:
    module, x = build(3, 8), image(3)
    before = module(x)
    module.attention.position.bias.data += 3
    torch.testing.assert_close(module(x), before)
    module.attention.position.weight.data += 3
    assert not torch.allclose(module(x), before)


def test_drop_in_bias_changes_nothing() -> None:
    with_bias, without = ACmix(4, 8, bias=True), ACmix(4, 8, bias=False)
    assert with_bias.state_dict().keys() == without.state_dict().keys()
    assert without.query.bias is not None and without.shift.bias is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    x, module = torch.randn(2, 4, 6, 5), ACmix(4, 8)
    expected = module(x)
    with torch.autocast("cpu", dtype=dtype):
        torch.testing.assert_close(module(x).float(), expected, rtol=0.05, atol=0.05)
    y = module.to(dtype)(x.to(dtype))
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), expected, rtol=0.05, atol=0.05)


def test_takes_the_pairs_of_a_replaced_convolution() -> None:
    conv = nn.Conv2d(4, 8, 3, stride=2, padding=1)
    module = ACmix(4, 8, conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    assert module(torch.randn(1, 4, 7, 8)).shape == (1, 8, 4, 4)


@pytest.mark.parametrize(
    ("depths", "plain_params", "params", "gigamacs"),
    [
        ((1, 2, 4, 1), 13_696_552, 10_487_816, 2.217),
        ((2, 3, 5, 2), 19_626_792, 14_410_896, 2.859),
        ((3, 4, 6, 3), 25_557_032, 18_333_976, 3.502),
    ],
)
def test_published_resnets(depths: tuple[int, ...], plain_params: int, params: int, gigamacs: float) -> None:
    """The 3×3 convolution of every bottleneck is replaced, at 224×224; the counts have one window per query."""
    macs, channels, size = 3 * 64 * 49 * 112**2 + 2048 * 1000, 64, 56
    for stage, depth in enumerate(depths):
        width = 64 * 2**stage
        for block in range(depth):
            stride = 2 if stage and not block else 1
            small = size // stride
            mixed = cost(width, width, size, size, stride=stride, tile=1)
            plain_params += mixed.params - 9 * width**2
            shortcut = 0 if block else channels
            macs += mixed.macs + channels * width * size**2 + (width + shortcut) * 4 * width * small**2
            channels, size = 4 * width, small
    assert plain_params == params
    assert round(macs / 1e9, 3) == gigamacs


def test_tiles_of_four_cost_a_hundred_products_per_query() -> None:
    windows, tiles = (cost(64, 64, 8, 8, tile=tile).macs for tile in (1, 4))
    assert tiles - windows == 2 * 64 * 8 * 8 * (100 - 49)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ShapeError, "^acmix got in_channels=0, expected at least 1$"),
        ({"out_channels": 0}, ShapeError, "^acmix got out_channels=0, expected at least 1$"),
        ({"heads": 0}, ShapeError, "^acmix got heads=0, expected at least 1$"),
        ({"tile": 0}, ShapeError, "^acmix got tile=0, expected at least 1$"),
        (
            {"heads": 3},
            ShapeError,
            "^acmix got out_channels=8 and heads=3, expected a multiple of the heads: pass anoth",
        ),
        ({"kernel_size": 2}, ShapeError, "^acmix got kernel_size=2, expected an odd number: use 1 or 3$"),
        ({"kernel_attention": 4}, ShapeError, "^acmix got kernel_attention=4, expected an odd number: use 3 or 5$"),
        ({"padding": 0}, ShapeError, "^acmix got padding=0 with kernel_size=3, expected 1: attention has one query"),
        (
            {"attention": "own"},
            ConfigError,
            "^acmix got attention='own', expected one of 'local', 'window', 'global', ",
        ),
        (
            {"attention": "window", "kernel_attention": 0},
            ShapeError,
            "^acmix got kernel_attention=0, expected at least",
        ),
        ({"dilation": 2}, ConfigError, "^acmix got dilation=2, expected 1"),
        ({"groups": 2}, ConfigError, "^acmix got groups=2, expected 1"),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ACmix(**{"in_channels": 4, "out_channels": 8, **arguments})


def test_an_input_smaller_than_the_mirrored_border() -> None:
    with pytest.raises(ShapeError, match="^acmix got a 3×6 input, expected height and width above 3: the border"):
        ACmix(4, 8)(torch.ones(1, 4, 3, 6))
    assert ACmix(4, 8, kernel_attention=5)(torch.ones(1, 4, 3, 6)).shape == (1, 8, 3, 6)
