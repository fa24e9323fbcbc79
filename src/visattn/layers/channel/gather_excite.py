"""The gather and excite operators, and the gate that a pair of them makes.

Paper: Hu et al., Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks, NeurIPS 2018,
arXiv:1810.12348, section 3.
"""

from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ShapeError


class GatherExcite(nn.Module):
    """`y = x · σ(interpolate(excite(gather(x))))`, interpolated to the size of `x` by the nearest neighbour.

    Shapes: (B, C, H, W) → (B, C, H, W).

    Args:
        gather: (B, C, H, W) → (B, C, h, w).
        excite: (B, C, h, w) → the same; None leaves what was gathered as it is.

    >>> import torch
    >>> GatherExcite(pool(2))(torch.ones(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(self, gather: nn.Module, excite: nn.Module | None = None) -> None:
        super().__init__()
        self.gather = gather
        self.excite = excite

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled neighbourhood by neighbourhood."""
        gathered = self.gather(x)
        gate: Tensor = (gathered if self.excite is None else self.excite(gathered)).sigmoid()
        return x * (gate if gate.shape[2:] == (1, 1) else nn.functional.interpolate(gate, size=x.shape[2:]))


def pool(extent: int | None) -> nn.Module:
    """Average over (2e − 1)×(2e − 1) pixels at every e-th position, or over the whole map if `extent` is None.

    The padding is no part of the average. Shapes: (B, C, H, W) → (B, C, ⌈H/e⌉, ⌈W/e⌉).

    Raises:
        ShapeError: `extent` is below 1.
    """
    if extent is None:
        return nn.AdaptiveAvgPool2d(1)
    require_positive("ge", extent=extent)
    return nn.AvgPool2d(2 * extent - 1, extent, extent - 1, count_include_pad=False)


def strided(channels: int, extent: int, *, last_relu: bool) -> nn.Sequential:
    """Gather with log₂ e depth-wise 3×3 convolutions of stride 2, each with batch norm, and ReLU between them.

    Shapes: (B, C, H, W) → (B, C, ⌈H/e⌉, ⌈W/e⌉).

    Raises:
        ShapeError: `extent` is no power of 2 from 2 on.
    """
    if extent < 2 or extent & (extent - 1):
        raise ShapeError(
            f"ge got extent={extent}, expected a power of 2", hint="each of its convolutions halves the map"
        )
    layers: list[nn.Module] = []
    for _ in range(extent.bit_length() - 1):
        conv = nn.Conv2d(channels, channels, 3, 2, 1, groups=channels, bias=False)
        layers += [conv, nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*layers[: None if last_relu else -1])


def whole(channels: int, size: tuple[int, int], *, padding: tuple[int, int] = (0, 0), last_relu: bool) -> nn.Sequential:
    """Gather with one depth-wise convolution that covers the whole map, and batch norm.

    Shapes: (B, C, H, W) → (B, C, 1, 1) for `size` (H, W) without padding.
    """
    conv = nn.Conv2d(channels, channels, size, padding=padding, groups=channels, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), *([nn.ReLU()] if last_relu else []))


def bottleneck(channels: int, hidden: int, *, bias: bool = True) -> nn.Sequential:
    """Excite with the two layers of SE, at every position. Shapes: (B, C, h, w) → the same."""
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1, bias=bias), nn.ReLU(), nn.Conv2d(hidden, channels, 1, bias=bias)
    )
