"""The crop of the most used copy of RA-CNN, with the gradient that it makes up.

Code: jeong-tae/RACNN-pytorch, models/RACNN.py.
"""

from typing import Any

import torch
from torch import Tensor, nn

from visattn.layers.gaze.boxcar_crop import boxcar, enlarge


class CopiedCrop(nn.Module):
    """Crop whole pixels, and tell the square to move to where the result's gradient is large, whatever its sign.

    Half a side is at least a third of the image. The square gets `−Σ g²` over the outer thirds of the result, with the
    sign of the side; the image gets no gradient. The first coordinate counts rows.
    Shapes: (B, C, S, S), (B, 3) → (B, C, size, size).

    Args:
        size: Side of the result.
    """

    def __init__(self, size: int = 224) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor, region: Tensor) -> Tensor:
        """Return the enlarged squares."""
        cropped: Tensor = _Crop.apply(x, region, self.size)
        return cropped


class _Crop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, region: Tensor, size: int) -> Tensor:
        extent = x.shape[2]
        half = region[:, 2:].clamp_min(extent / 3)
        centre = torch.minimum(torch.maximum(region[:, :2], half), extent - half)
        first = (centre - half).clamp_min(0).trunc()
        last = (centre + half).clamp_max(extent).trunc()
        rows, columns = (boxcar(first[:, i, None], last[:, i, None], extent, 10.0) for i in (0, 1))
        masked = x * (rows[:, :, None] * columns[:, None]).unsqueeze(1)
        return enlarge(masked, first.flip(1), (last - first - 1).flip(1), size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None]:
        strength = -grads[0].square().sum(dim=1)
        size = strength.shape[1]
        pixels = torch.arange(size, device=strength.device)
        side = (pixels >= size / 3 * 2).to(strength) - (pixels < size / 3).to(strength)
        outer = 2 * torch.maximum(side.abs()[:, None], side.abs()) - 1
        moves = (strength * side[:, None], strength * side, strength * outer)
        return None, torch.stack([m.sum(dim=(1, 2)) for m in moves], dim=1), None
