"""Attention from each pixel to the square window around it, mirrored at the border."""

import torch
from torch import Tensor, nn


def window_attention(q: Tensor, k: Tensor, v: Tensor, *, window: int, stride: int, tile: int) -> Tensor:
    """Return `Σ_j softmax_j(q_i · k_j / √d) v_j`, j in the window around pixel i, (N, d, H', W').

    Squares of tile×tile queries are taken together, with all keys that any of them sees and a mask for those that the
    others do not. So there are fewer copies of the keys than with one window per query, and more products.

    Args:
        q: Queries at every `stride`-th pixel, (N, d, H', W').
        k: Keys, (N, d, H, W), H and W above `window // 2`.
        v: Values, (N, d, H, W).
        window: Height and width of the window, odd.
        stride: Pixels between two queries.
        tile: Queries along the edge of a square; the result does not depend on it.
    """
    radius = window // 2
    batch, depth, height, width = q.shape
    rows, columns = -(-height // tile), -(-width // tile)
    step = stride * tile
    span = step - stride + window
    queries = _squares(_fit(q, rows * tile, columns * tile), tile, tile)
    keys, values = (
        _squares(_fit(mirrored, rows * step - step + span, columns * step - step + span), span, step)
        for mirrored in (nn.functional.pad(t, (radius,) * 4, mode="reflect") for t in (k, v))
    )
    near = _near(torch.arange(tile, device=q.device) * stride, torch.arange(span, device=q.device), window)
    y = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=near)
    y = y.reshape(batch, rows, columns, tile, tile, depth).permute(0, 5, 1, 3, 2, 4)
    return y.reshape(batch, depth, rows * tile, columns * tile)[..., :height, :width]


def _fit(x: Tensor, height: int, width: int) -> Tensor:
    """Crop, or fill with zeros, at the end of rows and columns."""
    return nn.functional.pad(x, (0, width - x.shape[3], 0, height - x.shape[2]))


def _squares(x: Tensor, span: int, step: int) -> Tensor:
    """Cut (N, d, H, W) into (N, squares, span², d)."""
    squares = x.permute(0, 2, 3, 1).unfold(1, span, step).unfold(2, span, step)
    return squares.permute(0, 1, 2, 4, 5, 3).flatten(3, 4).flatten(1, 2)


def _near(queries: Tensor, keys: Tensor, window: int) -> Tensor:
    """Tell for each query of a square which keys are in its window, from their coordinates: (queries², keys²)."""
    offset = keys - queries[:, None]
    near = (offset >= 0) & (offset < window)
    return (near[:, None, :, None] & near[None, :, None, :]).flatten(2).flatten(0, 1)
