import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from visattn.layers.conv.partition_attention import PartitionAttention


def literal(module: PartitionAttention, q: Tensor, k: Tensor, v: Tensor, shift: int) -> Tensor:
    """Compute it pixel by pixel: windows start `shift` pixels down and right of the corner, and end at the border."""
    size, heads, depth = module.window, module.heads, q.shape[1] // module.heads
    height, width = q.shape[2:]
    y = torch.empty_like(v)

    def window(place: int) -> int:
        return (place - shift) // size

    for b, h, i, j in product(range(len(q)), range(heads), range(height), range(width)):
        own = slice(h * depth, (h + 1) * depth)
        near = [
            (r, c) for r, c in product(range(height), range(width)) if (window(r), window(c)) == (window(i), window(j))
        ]
        offsets = [(i - r + size - 1) * (2 * size - 1) + j - c + size - 1 for r, c in near]
        logits = torch.stack([q[b, own, i, j] @ k[b, own, r, c] / math.sqrt(depth) for r, c in near])
        weights = (logits + module.bias[offsets, h]).softmax(0)
        y[b, own, i, j] = weights @ torch.stack([v[b, own, r, c] for r, c in near])
    return y


@pytest.mark.parametrize(
    ("height", "width", "shift"),
    [(6, 9, 0), (6, 9, 1), (6, 9, 2), (5, 7, 0), (5, 7, 1), (4, 8, 2), (2, 5, 0), (2, 2, 0)],
)
def test_equals_a_loop(height: int, width: int, shift: int, randomise, image) -> None:
    module = randomise(PartitionAttention(2, 3, shift))
    q, k, v = image(12, height, width).chunk(3, dim=1)
    torch.testing.assert_close(module(q, k, v), literal(module, q, k, v, shift), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("height", "width"), [(3, 3), (3, 7), (7, 2)])
def test_a_map_no_larger_than_a_window_is_not_shifted(height: int, width: int, randomise, image) -> None:
    shifted, plain = (randomise(PartitionAttention(2, 3, shift)) for shift in (1, 0))
    q, k, v = image(12, height, width).chunk(3, dim=1)
    assert torch.equal(shifted(q, k, v), plain(q, k, v))
    assert (shifted.shift_for(height, width), shifted.shift_for(7, 7)) == (0, 1)


def test_without_bias_one_large_window_is_global_attention(randomise, image) -> None:
    module = randomise(PartitionAttention(2, 9))
    nn.init.zeros_(module.bias)
    q, k, v = image(12, 6, 5).chunk(3, dim=1)
    apart = [x.reshape(2, 2, 2, 30).transpose(2, 3) for x in (q, k, v)]
    expected = nn.functional.scaled_dot_product_attention(*apart).transpose(2, 3).reshape(v.shape)
    torch.testing.assert_close(module(q, k, v), expected)


def test_windows_do_not_see_each_other(randomise, image) -> None:
    module, x = randomise(PartitionAttention(2, 3)), image(4, 6, 6)
    changed = x.clone()
    changed[..., :3, :3] += 1
    same = (module(x, x, x) == module(changed, changed, changed)).all(1)
    assert not same[:, :3, :3].any()
    assert same[:, 3:].all() and same[:, :, 3:].all()
