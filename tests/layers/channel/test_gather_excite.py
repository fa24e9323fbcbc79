import pytest
import torch
from torch import nn

from visattn.core.errors import ShapeError
from visattn.layers.channel.gather_excite import GatherExcite, bottleneck, pool, strided, whole
from visattn.layers.channel.se import SE


def test_pooling_the_whole_map_and_a_bottleneck_are_se() -> None:
    pair, se, x = GatherExcite(pool(None), bottleneck(12, 4)), SE(12, reduction=3), torch.randn(2, 12, 5, 7)
    with torch.no_grad():
        for ours, theirs in zip(pair.parameters(), se.parameters(), strict=True):
            theirs.copy_(ours.reshape(theirs.shape))
    torch.testing.assert_close(pair(x), se(x))


@pytest.mark.parametrize("extent", [1, 2, 3, 8])
def test_pooling_leaves_the_padding_out(extent: int) -> None:
    x = torch.full((1, 2, 9, 10), 3.0)
    pooled = pool(extent)(x)
    assert pooled.shape == (1, 2, -(-9 // extent), -(-10 // extent))
    torch.testing.assert_close(pooled, torch.full_like(pooled, 3.0))


def test_whole_with_padding_keeps_an_odd_map() -> None:
    assert whole(2, (5, 5), padding=(2, 2), last_relu=False)(torch.ones(2, 2, 5, 5)).shape == (2, 2, 5, 5)
    assert whole(2, (5, 7), last_relu=True)(torch.ones(2, 2, 5, 7)).shape == (2, 2, 1, 1)


def test_gates_are_repeated_and_not_smoothed() -> None:
    """Two gathered columns gate two pixels each."""
    x = torch.randn(1, 1, 1, 4)
    gate = GatherExcite(nn.AvgPool2d((1, 2)))(x) / x
    assert gate[..., 0] == gate[..., 1] != gate[..., 2]
    torch.testing.assert_close(gate[..., 2], gate[..., 3])


@pytest.mark.parametrize("extent", [-4, 0, 1, 6])
def test_extents_that_are_no_power_of_2(extent: int) -> None:
    with pytest.raises(ShapeError, match=f"ge got extent={extent}, expected a power of 2: each of its convolutions"):
        strided(4, extent, last_relu=False)


def test_pooling_without_extent() -> None:
    with pytest.raises(ShapeError, match="ge got extent=0, expected at least 1"):
        pool(0)
