"""Attention within the windows of a partition, which may be shifted.

Paper: Liu et al., Swin Transformer, ICCV 2021, arXiv:2103.14030, eq. 4.
"""

import torch
from torch import Tensor, nn


class PartitionAttention(nn.Module):
    """Multi-head attention of each pixel to the w×w window that it is in: `softmax_j(q_i · k_j / √d + b[i − j]) v_j`.

    The windows do not overlap; a shift moves them up and left. Pixels that a window holds beyond the border count for
    nobody. A map that is no larger than a window is not shifted.
    Shapes: three times (B, C, H, W) → (B, C, H, W), the channels of a head next to each other.

    Args:
        heads: Number of heads.
        window: w.
        shift: Pixels, below w.

    >>> attention, x = PartitionAttention(heads=2, window=4), torch.ones(1, 6, 5, 7)
    >>> torch.allclose(attention(x, x, x), x)
    True
    """

    def __init__(self, heads: int, window: int, shift: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.shift = shift
        self.bias = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias, std=0.02)

    def shift_for(self, height: int, width: int) -> int:
        """Return by how many pixels the windows of a map are shifted."""
        return self.shift if min(height, width) > self.window else 0

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what each pixel gathers from its window."""
        height, width = q.shape[2:]
        shift = self.shift_for(height, width)
        rows, columns = -(-height // self.window), -(-width // self.window)
        whole = (rows * self.window, columns * self.window)
        q, k, v = (self._windows(_pad(x, whole).roll((-shift, -shift), dims=(2, 3))) for x in (q, k, v))
        logits = self._offsets()
        if shift or whole != (height, width):
            parts = _parts(height, whole[0], shift, q)[:, None] * 4 + _parts(width, whole[1], shift, q)
            parts = (
                parts.reshape(rows, self.window, columns, self.window).transpose(1, 2).reshape(-1, 1, self.window**2)
            )
            logits = logits.masked_fill(parts[..., None] != parts[..., None, :], -torch.inf)
        y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=logits.to(q.dtype))
        y = y.reshape(len(y), rows, columns, self.heads, self.window, self.window, -1).permute(0, 3, 6, 1, 4, 2, 5)
        return y.reshape(len(y), -1, *whole).roll((shift, shift), dims=(2, 3))[..., :height, :width]

    def extra_repr(self) -> str:
        """Show the size of things."""
        return f"heads={self.heads}, window={self.window}, shift={self.shift}"

    def _windows(self, x: Tensor) -> Tensor:
        """Cut (B, C, H, W) into (B, windows, heads, w², d)."""
        batch, _, height, width = x.shape
        size = self.window
        apart = x.reshape(batch, self.heads, -1, height // size, size, width // size, size)
        return apart.permute(0, 3, 5, 1, 4, 6, 2).reshape(batch, -1, self.heads, size**2, apart.shape[2])

    def _offsets(self) -> Tensor:
        """Return the bias of each pair of pixels in a window, (heads, w², w²)."""
        place = torch.arange(self.window, device=self.bias.device)
        offset = place[:, None] - place + self.window - 1
        number = offset[:, None, :, None] * (2 * self.window - 1) + offset[None, :, None, :]
        return self.bias[number.flatten(2).flatten(0, 1)].permute(2, 0, 1)


def _pad(x: Tensor, size: tuple[int, int]) -> Tensor:
    return nn.functional.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2]))


def _parts(size: int, whole: int, shift: int, like: Tensor) -> Tensor:
    """Number the parts of a padded and shifted line that do not see each other: each side of the seam, and beyond."""
    place = (torch.arange(whole, device=like.device) + shift) % whole
    return (place < shift) + 2 * (place >= size)
