import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.context.attend import attend
from visattn.layers.context.pyramid_attention import (
    context_projection,
    pyramid_attention,
    require_one_stage,
    require_sizes,
)


def maps(channels: int, height: int, width: int) -> torch.Tensor:
    return torch.randn(2, channels, height, width, dtype=torch.float64)


def test_cells_of_one_pixel_are_attention_to_every_position() -> None:
    query, key, value = maps(4, 3, 5), maps(4, 6, 6), maps(3, 6, 6)
    expected = attend(query.flatten(2), key.flatten(2), value.flatten(2)).reshape(2, 3, 3, 5)
    torch.testing.assert_close(pyramid_attention(query, key, value, (6,)), expected)


def test_one_cell_is_the_mean() -> None:
    value = maps(3, 6, 7)
    y = pyramid_attention(maps(4, 3, 5), maps(4, 6, 7), value, (1,))
    torch.testing.assert_close(y, value.mean(dim=(2, 3), keepdim=True).expand(2, 3, 3, 5))


def test_equal_logits_weigh_the_cells_of_all_levels_alike() -> None:
    """With equal logits the sum is the mean over 1 + 4 cells, of which each covers its part of a 4×4 map."""
    value = maps(3, 4, 4)
    y = pyramid_attention(maps(4, 3, 5), torch.zeros(2, 4, 4, 4, dtype=torch.float64), value, (1, 2))
    torch.testing.assert_close(y, value.mean(dim=(2, 3), keepdim=True).expand(2, 3, 3, 5))


def test_by_hand() -> None:
    """One query, keys 0 but for one of 2×2 pixels: logits ln 3 for it, 0 for three, and ¼ ln 3 for the mean of all."""
    key, value = torch.zeros(1, 1, 2, 2).double(), torch.zeros(1, 1, 2, 2).double()
    key[0, 0, 0, 0] = torch.tensor(3.0, dtype=torch.float64).log()
    value[0, 0, 0, 0] = 8
    y = pyramid_attention(torch.ones(1, 1, 1, 1).double(), key, value, (1, 2))
    torch.testing.assert_close(y.item(), (3 * 8 + 3**0.25 * 2) / (3 + 3**0.25 + 3))


def test_the_projection_starts_at_zero() -> None:
    assert all(p.abs().max() == 0 for p in context_projection(4, 6).parameters())


def test_errors() -> None:
    with pytest.raises(ConfigError, match=r"apnb got sizes=\(\), expected at least one number: the paper has \(1, 3,"):
        require_sizes("apnb", ())
    with pytest.raises(ShapeError, match="apnb got sizes=0, expected at least 1"):
        require_sizes("apnb", (1, 0))
    with pytest.raises(
        ConfigError, match=r"afnb got sizes=\[1, 2\] for the authors' code, expected \[1\]: only blocks"
    ):
        require_one_stage("afnb", [1, 2])
    require_one_stage("afnb", [1])
