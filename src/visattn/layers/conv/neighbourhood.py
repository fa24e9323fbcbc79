"""The square neighbourhood of every pixel, mirrored at the border."""

from torch import Tensor, nn

from visattn.core.errors import ShapeError
from visattn.layers.conv.geometry import Geometry


def require_same_padding(mechanism: str, geometry: Geometry) -> None:
    """Raise `ShapeError` unless the padding keeps one output per input pixel, or per stride.

    >>> require_same_padding("san", Geometry(kernel_size=3, stride=1, padding=0, dilation=1))
    Traceback (most recent call last):
    visattn.core.errors.ShapeError: san got padding=0 with kernel_size=3 and dilation=1, expected 1: ...
    """
    same = geometry.dilation * (geometry.kernel_size // 2)
    if geometry.padding != same:
        raise ShapeError(
            f"{mechanism} got padding={geometry.padding} with kernel_size={geometry.kernel_size} and "
            f"dilation={geometry.dilation}, expected {same}",
            hint="attention has one query per pixel, so only the same padding fits",
        )


def require_mirror(mechanism: str, x: Tensor, geometry: Geometry) -> None:
    """Raise `ShapeError` unless `x` is large enough for a border of the padding's width to be mirrored."""
    if min(x.shape[2:]) <= geometry.padding:
        raise ShapeError(
            f"{mechanism} got a {x.shape[2]}×{x.shape[3]} input, expected height and width above {geometry.padding}",
            hint="the border is mirrored, so pass a smaller kernel",
        )


def neighbours(x: Tensor, geometry: Geometry) -> Tensor:
    """Return the k² pixels around every `stride`-th pixel, (B, C, H, W) → (B, C, k², H'·W').

    >>> import torch
    >>> row = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> neighbours(row, Geometry(kernel_size=3, stride=1, padding=1, dilation=1))[0, 0, :, 0].tolist()
    [3.0, 2.0, 3.0, 1.0, 0.0, 1.0, 3.0, 2.0, 3.0]
    """
    mirrored = nn.functional.pad(x, (geometry.padding,) * 4, mode="reflect")
    patches = nn.functional.unfold(mirrored, geometry.kernel_size, geometry.dilation, stride=geometry.stride)
    return patches.reshape(x.shape[0], x.shape[1], geometry.kernel_size**2, -1)
