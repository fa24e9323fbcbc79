import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.san import SAN, cost


@pytest.mark.parametrize("variant", ["pairwise", "patchwise"])
def test_equal_weights_give_the_mean_of_the_values(variant: str, randomise, image) -> None:
    module, x = randomise(SAN(3, 4, 3, variant=variant, share=2)).eval(), image(3)
    last = module.weights.mapping[-1]
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, 1 / 9)
    mirrored = nn.functional.pad(module.value(x), (1, 1, 1, 1), mode="reflect")
    torch.testing.assert_close(module(x), nn.functional.avg_pool2d(mirrored, 3, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("variant", ["pairwise", "patchwise"])
def test_one_pixel_windows(variant: str, randomise, image) -> None:
    module, x = randomise(SAN(3, 4, 1, variant=variant)).eval(), image(3, 1, 2)
    if variant == "pairwise":
        torch.testing.assert_close(module(x), module.value(x))
    else:
        q, k = module.query(x), module.key(x)
        weight = module.weights.mapping(torch.cat((q, k), 1))
        torch.testing.assert_close(module(x), module.value(x) * weight)


def test_channels_take_turns_with_the_weights(randomise, image) -> None:
    """Channel c takes the weights of group c mod G, so that swapping groups swaps channels."""
    module, x = randomise(SAN(3, 4, 3, share=2, relation=2)).eval(), image(3)
    with torch.no_grad():
        module.value.weight.copy_(module.value.weight[:1].expand(4, -1, -1, -1))
        module.value.bias.fill_(0.1)
    y = module(x)
    torch.testing.assert_close(y[:, 0], y[:, 2])
    torch.testing.assert_close(y[:, 1], y[:, 3])
    assert not torch.allclose(y[:, 0], y[:, 1])


@pytest.mark.parametrize("variant", ["pairwise", "patchwise"])
@pytest.mark.parametrize(("stride", "dilation"), [(2, 1), (3, 1), (1, 2), (2, 2)])
def test_a_stride_takes_every_nth_pixel(stride: int, dilation: int, variant: str, randomise, image) -> None:
    one, strided = (randomise(SAN(3, 4, 3, s, dilation=dilation, variant=variant)).eval() for s in (1, stride))
    torch.testing.assert_close(strided(image(3)), one(image(3))[..., ::stride, ::stride], rtol=0, atol=1e-12)


def test_a_dilation_on_interleaved_images_is_none_on_each(randomise, image) -> None:
    """Inside, where no border is mirrored, pixels of even and of odd rows and columns do not meet."""
    plain, dilated = (randomise(SAN(3, 4, 3, dilation=d)).eval() for d in (1, 2))
    x = image(3, 12, 14)
    torch.testing.assert_close(plain(x[..., ::2, 1::2])[..., 1:-1, 1:-1], dilated(x)[..., 2:-2:2, 3:-2:2])


def test_pairwise_weights_do_not_see_a_shift_of_all_features(randomise, image) -> None:
    module, x = randomise(SAN(3, 4, 3, variant="pairwise")).eval(), image(3)
    with torch.no_grad():
        module.key.weight.copy_(module.query.weight)
        before = module.weights(module.query(x), module.key(x))
        torch.testing.assert_close(module.weights(module.query(x + 3), module.key(x + 3)), before)


@pytest.mark.parametrize(("out", "share", "groups"), [(16, 8, 2), (20, 8, 2), (28, 8, 2), (12, 8, 1), (4, 8, 1)])
def test_the_groups_divide_the_channels(out: int, share: int, groups: int) -> None:
    assert SAN(4, out, share=share, variant="pairwise").weights.mapping[-1].out_channels == groups


def test_the_default_relation_is_a_quarter() -> None:
    assert SAN(4, 16).query.out_channels == 4
    assert SAN(4, 3).query.out_channels == 1
    assert SAN(4, 16, relation=7).key.out_channels == 7


def network(depths: tuple[int, ...], variant: str) -> int:
    """Count the parameters of the authors' networks: 1×1 convolutions between stages, one 3×3 and four 7×7."""
    params, channels = 3 * 64 + 128 + 2049 * 1000, 64
    for stage, (depth, size) in enumerate(zip(depths, (3, 7, 7, 7, 7), strict=True)):
        width = 64 if not stage else channels * (4 if stage == 1 else 2)
        own = cost(width, width // 4, 8, 8, kernel_size=size, variant=variant)
        params += channels * width + 2 * width
        params += depth * (own.params + width**2 // 4 + 3 * width + 2 * width // 4)
        channels = width
    return params


@pytest.mark.parametrize(
    ("depths", "pairwise", "patchwise"),
    [((2, 1, 2, 4, 1), 10.5, 11.8), ((3, 2, 3, 5, 2), 14.1, 16.2), ((3, 3, 4, 6, 3), 17.6, 20.5)],
)
def test_published_networks(depths: tuple[int, ...], pairwise: float, patchwise: float) -> None:
    assert round(network(depths, "pairwise") / 1e6, 1) == pairwise
    assert round(network(depths, "patchwise") / 1e6, 1) == patchwise


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ShapeError, "^san got in_channels=0, expected at least 1$"),
        ({"out_channels": 0}, ShapeError, "^san got out_channels=0, expected at least 1$"),
        ({"share": 0}, ShapeError, "^san got share=0, expected at least 1$"),
        ({"relation": 0}, ShapeError, "^san got relation=0, expected at least 1$"),
        ({"kernel_size": 4}, ShapeError, "^san got kernel_size=4, expected an odd number: use 3 or 5$"),
        ({"padding": 0}, ShapeError, "^san got padding=0 with kernel_size=3 and dilation=1, expected 1: attention"),
        ({"groups": 2}, ConfigError, "^san got groups=2, expected 1"),
        ({"variant": "paper"}, ConfigError, "^san got variant='paper', expected one of 'patchwise', 'pairwise'$"),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SAN(**{"in_channels": 4, "out_channels": 8, **arguments})


def test_an_input_smaller_than_the_mirrored_border() -> None:
    with pytest.raises(ShapeError, match="^san got a 3×9 input, expected height and width above 3: the border is mirr"):
        SAN(4, 8, 7)(torch.ones(1, 4, 3, 9))
