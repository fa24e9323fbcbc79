import math
from itertools import product

import pytest
import torch
from torch import Tensor

from visattn.layers.conv.window_attention import window_attention


def tokens(height: int, width: int, count: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 4, height, width, generator=generator, dtype=torch.float64) for _ in range(count)]


def mirror(index: int, size: int) -> int:
    return -index if index < 0 else 2 * (size - 1) - index if index >= size else index


def literal(q: Tensor, k: Tensor, v: Tensor, window: int, stride: int) -> Tensor:
    """Visit every query, collect its window, attend."""
    radius, (height, width), y = window // 2, k.shape[2:], torch.empty_like(q)
    for sample, i, j in product(range(len(q)), range(q.shape[2]), range(q.shape[3])):
        around = [
            (mirror(i * stride + a, height), mirror(j * stride + b, width))
            for a, b in product(range(-radius, radius + 1), repeat=2)
        ]
        logits = torch.stack([q[sample, :, i, j] @ k[sample, :, r, c] for r, c in around]) / math.sqrt(q.shape[1])
        values = torch.stack([v[sample, :, r, c] for r, c in around])
        y[sample, :, i, j] = logits.softmax(dim=0) @ values
    return y


@pytest.mark.parametrize(
    ("window", "stride", "tile"), [(3, 1, 2), (3, 2, 4), (5, 1, 3), (5, 3, 2), (7, 1, 4), (1, 1, 2)]
)
@pytest.mark.parametrize(("height", "width"), [(5, 6), (4, 7)])
def test_equals_a_loop_over_windows(height: int, width: int, window: int, stride: int, tile: int) -> None:
    q, k, v = tokens(height, width)
    q = q[..., ::stride, ::stride]
    y = window_attention(q, k, v, window=window, stride=stride, tile=tile)
    torch.testing.assert_close(y, literal(q, k, v, window, stride), rtol=0, atol=1e-12)


def test_equal_logits_give_the_mean_of_the_mirrored_window() -> None:
    v = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    y = window_attention(torch.zeros_like(v), v, v, window=3, stride=1, tile=4)
    torch.testing.assert_close(y[0, 0], torch.tensor([[27 / 9, 24 / 9], [21 / 9, 18 / 9]]))


@pytest.mark.parametrize("stride", [1, 2])
def test_tiles_change_neither_result_nor_gradients(stride: int) -> None:
    q, k, v = tokens(9, 7)
    inputs = [t.requires_grad_() for t in (q[..., ::stride, ::stride].clone(), k, v)]
    cotangent = torch.randn_like(inputs[0])
    found = []
    for tile in (1, 2, 3, 4, 16):
        y = window_attention(*inputs, window=5, stride=stride, tile=tile)
        found.append((y.detach(), *torch.autograd.grad(y, inputs, cotangent)))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=0, atol=1e-12)
