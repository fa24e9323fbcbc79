"""Crop a square out of an image and enlarge it, so that the square learns by gradient where to be.

Paper: Fu et al., Look Closer to See Better: Recurrent Attention Convolutional Neural Network for Fine-grained Image
Recognition, CVPR 2017, eq. 4-7.
"""

import torch
from torch import Tensor, nn


class BoxcarCrop(nn.Module):
    """Multiply an image by a soft box, and enlarge what is inside to a fixed size.

    `M = [h(c − (x − l)) − h(c − (x + l))] · [h(r − (y − l)) − h(r − (y + l))]` at column c and row r, with
    `h(z) = σ(k z)` (Fu et al., eq. 5-6); then the square is sampled bilinearly, corner to corner (eq. 7). Both steps
    are differentiable in the square.
    Shapes: (B, C, H, W), (B, 3) → (B, C, size, size).

    Args:
        size: Side of the result.
        sharpness: k.
    """

    def __init__(self, size: int, sharpness: float = 10.0) -> None:
        super().__init__()
        self.size, self.sharpness = size, sharpness

    def mask(self, region: Tensor, height: int, width: int) -> Tensor:
        """Return the soft box of squares (x, y, half a side), in pixels, as (B, 1, H, W)."""
        x, y, half = region[:, :, None].unbind(dim=1)
        rows = boxcar(y - half, y + half, height, self.sharpness)
        columns = boxcar(x - half, x + half, width, self.sharpness)
        return (rows[:, :, None] * columns[:, None]).unsqueeze(1)

    def forward(self, x: Tensor, region: Tensor) -> Tensor:
        """Return the enlarged squares; `region` is (x, y, half a side) in pixels, (B, 3)."""
        region = region.to(x.dtype)
        return enlarge(x * self.mask(region, *x.shape[2:]), region[:, :2] - region[:, 2:], 2 * region[:, 2:], self.size)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"size={self.size}, sharpness={self.sharpness}"


def boxcar(first: Tensor, last: Tensor, size: int, sharpness: float) -> Tensor:
    """Return a soft box along one axis, (B, 1) and (B, 1) → (B, size): near 1 from `first` to `last`, else near 0.

    >>> boxcar(torch.tensor([[0.5]]), torch.tensor([[2.5]]), 4, 100.0).round().tolist()
    [[0.0, 1.0, 1.0, 0.0]]
    """
    pixels = torch.arange(size, dtype=first.dtype, device=first.device)
    return (sharpness * (pixels - first)).sigmoid() - (sharpness * (pixels - last)).sigmoid()


def enlarge(x: Tensor, corner: Tensor, side: Tensor, size: int) -> Tensor:
    """Sample squares of `x` bilinearly, (B, C, H, W) → (B, C, size, size).

    Args:
        x: The images.
        corner: Upper left pixel, (x, y) of each, (B, 2).
        side: From the first pixel to the last, (B, 1) or, in x and y, (B, 2).
        size: Side of the result.

    >>> enlarge(torch.tensor([[[[0.0, 2.0, 4.0]] * 3]]), torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0]]), 3)[0, 0, 0]
    tensor([0., 1., 2.])
    """
    steps = torch.linspace(0, 1, size, dtype=x.dtype, device=x.device)
    positions = corner[:, None] + steps[:, None] * side[:, None]
    extent = torch.tensor([x.shape[3] - 1, x.shape[2] - 1], dtype=x.dtype, device=x.device).clamp_min(1)
    columns, rows = (2 * positions / extent - 1).unbind(dim=2)
    shape = (x.shape[0], size, size)
    grid = torch.stack((columns[:, None].expand(shape), rows[:, :, None].expand(shape)), dim=3)
    return nn.functional.grid_sample(x, grid, align_corners=True)
