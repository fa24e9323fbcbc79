import pytest
import torch
from torch import nn

from visattn.core.errors import ShapeError
from visattn.layers.hosts.shuffle_unit import ShuffleUnit


def test_at_stride_one_the_even_channels_pass_unchanged() -> None:
    unit, x = ShuffleUnit(8, 10, stride=1, regions=3).eval(), torch.randn(2, 8, 5, 7)
    y = unit(x)
    assert y.shape == (2, 10, 5, 7)
    assert torch.equal(y[:, :4], x[:, ::2])
    changed = x.clone()
    changed[:, ::2] += 1
    assert torch.equal(unit(changed)[:, 4:], y[:, 4:])


def test_at_stride_two_all_channels_go_through_both_branches() -> None:
    unit, x = ShuffleUnit(8, 20, stride=2).eval(), torch.randn(2, 8, 9, 8)
    y = unit(x)
    assert y.shape == (2, 20, 5, 4)
    assert torch.equal(y[:, :8], unit.left(x))


def test_both_convolutions_follow_the_guide() -> None:
    """The one guide of what enters the branch, although the second convolution works at another size."""
    unit, x = ShuffleUnit(2, 4, stride=2, regions=2, num_kernels=1).eval(), torch.randn(1, 2, 6, 8)
    seen = []
    for layer in (unit.reduce, unit.expand):
        layer.register_forward_hook(lambda module, inputs, output: seen.append((inputs[1], inputs[2])))
    unit(x)
    scores = unit.guide(x)
    for mask, alpha in seen:
        assert torch.equal(mask, scores.argmax(1)) and torch.equal(alpha, scores.softmax(1))


@pytest.mark.parametrize(
    ("width", "channels", "plain", "params"),
    [("0.5", (24, 48, 96, 192), 1_367_840, 2_293_792), ("1.0", (24, 116, 232, 464), 2_280_808, 7_273_976)],
)
def test_published_networks(width: str, channels: tuple[int, ...], plain: int, params: int) -> None:
    """Two 1×1 convolutions of each unit are replaced."""

    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    for before, after, units in zip(channels, channels[1:], (4, 8, 4), strict=False):
        first, other = ShuffleUnit(before, after, stride=2), ShuffleUnit(after, after, stride=1)
        half = after // 2
        for unit, inner, times in ((first, before, 1), (other, half, units - 1)):
            replaced = inner * half + half * (after - inner)
            own = count(unit.guide) + count(unit.reduce) + count(unit.expand)
            plain += times * (own - replaced)
    assert plain == params


def test_an_odd_number_of_channels_has_no_halves() -> None:
    with pytest.raises(ShapeError, match="^ShuffleUnit got in_channels=7 with stride=1, expected an even number: it s"):
        ShuffleUnit(7, 8, stride=1)
    assert ShuffleUnit(7, 16, stride=2)(torch.ones(2, 7, 4, 4)).shape == (2, 16, 2, 2)
