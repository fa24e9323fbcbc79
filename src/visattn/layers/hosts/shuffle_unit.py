"""The unit of ShuffleNetV2 with region-aware 1×1 convolutions that share one guide.

Papers: Ma et al., ShuffleNet V2, ECCV 2018, arXiv:1807.11164, fig. 3; Chen et al., Dynamic Region-Aware Convolution,
CVPR 2021, arXiv:2003.12243.
"""

import torch
from torch import Tensor, nn

from visattn.core.errors import ShapeError
from visattn.layers.conv.geometry import Geometry
from visattn.layers.conv.region_conv import KernelBank, RegionConv


class ShuffleUnit(nn.Module):
    """Transform one half of the channels, or all at stride 2, and put them behind the others.

    The right branch is a 1×1 `RegionConv`, a depth-wise 3×3 convolution and another 1×1 `RegionConv`. A guide finds the
    regions in what enters the branch; the second takes the same, at its own size. At stride 1 the even channels pass
    unchanged, at stride 2 all go through a left branch too.
    Shapes: (B, C, H, W) → (B, out, H', W'), H' = ⌈H / stride⌉.

    Args:
        in_channels: C, even at stride 1.
        out_channels: out.
        stride: 1 or 2.
        regions: Regions of the guide.
        num_kernels: Kernels in the bank of each region-aware convolution.

    Raises:
        ShapeError: C is odd at stride 1.

    >>> ShuffleUnit(8, 20, stride=2)(torch.ones(2, 8, 9, 8)).shape
    torch.Size([2, 20, 5, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int, regions: int = 8, num_kernels: int = 8
    ) -> None:
        super().__init__()
        if stride == 1 and in_channels % 2:
            raise ShapeError(
                f"ShuffleUnit got in_channels={in_channels} with stride=1, expected an even number",
                hint="it splits the channels in halves",
            )
        inner, middle = (in_channels if stride > 1 else in_channels // 2), out_channels // 2
        self.guide = nn.Conv2d(inner, regions, 1, bias=False)
        self.reduce = _regional(inner, middle, regions, num_kernels)
        self.norm_reduce = nn.BatchNorm2d(middle)
        self.depthwise = nn.Sequential(*_depthwise(middle, stride))
        self.expand = _regional(middle, out_channels - inner, regions, num_kernels)
        self.norm_expand = nn.BatchNorm2d(out_channels - inner)
        self.left = (
            nn.Sequential(
                *_depthwise(inner, stride), nn.Conv2d(inner, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()
            )
            if stride > 1
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return both halves of the channels."""
        left, right = (x[:, 0::2], x[:, 1::2]) if self.left is None else (self.left(x), x)
        scores: Tensor = self.guide(right)
        mask, alpha = scores.argmax(dim=1), scores.softmax(dim=1)
        right = self.norm_reduce(self.reduce(right, mask, alpha)).relu()
        right = self.expand(self.depthwise(right), mask, alpha)
        return torch.cat((left, self.norm_expand(right).relu()), dim=1)


def _regional(in_channels: int, out_channels: int, regions: int, num_kernels: int) -> RegionConv:
    point = Geometry(kernel_size=1, stride=1, padding=0, dilation=1)
    return RegionConv(KernelBank(in_channels, out_channels, point, regions, num_kernels), out_channels, bias=False)


def _depthwise(channels: int, stride: int) -> tuple[nn.Module, nn.Module]:
    conv = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
    return conv, nn.BatchNorm2d(channels)
