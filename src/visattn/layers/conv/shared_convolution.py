"""The convolution path of ACmix: from the heads of queries, keys and values to k² maps, and their shifted sum."""

import torch
from torch import Tensor, nn


def shifting(channels: int, heads: int, size: int, stride: int = 1, padding: int | None = None) -> nn.Conv2d:
    """Return a grouped convolution that starts as k² shifts, one group per channel of a head.

    Every head gets the sum of the k² maps, map t shifted so that tap t falls on the output pixel.

    >>> shifting(8, 2, 3)(torch.ones(1, 36, 4, 5)).shape
    torch.Size([1, 8, 4, 5])
    """
    padding = size // 2 if padding is None else padding
    depth = channels // heads
    conv = nn.Conv2d(depth * size**2, channels, size, stride, padding, groups=depth, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.eye(size**2).reshape(size**2, size, size))
    return conv


def convolve_heads(qkv: Tensor, heads: int, mix: nn.Conv2d, shift: nn.Conv2d) -> Tensor:
    """Return `shift(mix(heads of q, k and v))`, (B, 3C, H, W) → (B, C, H', W').

    `mix` sees the 3·heads maps of one channel of a head; the result has the channels of the same number in each head
    next to each other.
    """
    batch, channels, height, width = qkv.shape
    apart = qkv.reshape(batch, 3 * heads, channels // (3 * heads), height * width)
    maps: Tensor = mix(apart)
    y: Tensor = shift(maps.transpose(1, 2).reshape(batch, -1, height, width))
    return y
