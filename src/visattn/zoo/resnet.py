"""Residual networks for images of 224 pixels, with the parameter names of torchvision's.

Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385, table 1.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive

Block = Callable[[int, int, int], nn.Module]
"""Builds a residual block from input channels, output channels and stride."""

DEPTHS: dict[str, tuple[int, int, int, int]] = {
    "18": (2, 2, 2, 2),
    "26": (1, 2, 4, 1),
    "34": (3, 4, 6, 3),
    "38": (2, 3, 5, 2),
    "50": (3, 4, 6, 3),
    "101": (3, 4, 23, 3),
}
"""Number of layers → blocks in each stage; 26 and 38 are those of the self-attention networks."""


class BasicBlock(nn.Module):
    """`relu(BN(conv3×3(relu(BN(conv3×3(x))))) + shortcut(x))`.

    Shapes: (B, C, H, W) → (B, out, ⌈H/stride⌉, ⌈W/stride⌉).

    >>> BasicBlock(4, 8, 2)(torch.ones(2, 4, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = downsampling(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of `x`."""
        y: Tensor = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """`relu(BN(conv1×1(relu(BN(conv3×3(relu(BN(conv1×1(x)))))))) + shortcut(x))`, the width a quarter of the output.

    Shapes: (B, C, H, W) → (B, out, ⌈H/stride⌉, ⌈W/stride⌉).

    Args:
        in_channels: C.
        out_channels: out.
        stride: Of the block.
        form: "v1" strides in the first 1×1 convolution, "v1.5" in the 3×3 convolution.

    >>> Bottleneck(4, 8, 2)(torch.ones(2, 4, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, form: str = "v1.5") -> None:
        super().__init__()
        width = out_channels // 4
        first, second = (stride, 1) if form == "v1" else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = downsampling(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of `x`."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


def downsampling(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """Return the shortcut of a block that changes width or size, a 1×1 convolution and batch norm; otherwise None."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


class ResNet(nn.Module):
    """A 7×7 convolution, max pooling, four stages of residual blocks, the mean and a linear classifier.

    Shapes: (B, 3, H, W) → (B, num_classes).

    Args:
        block: Builds the blocks.
        depths: Blocks in each stage.
        channels: Output channels of each stage.
        num_classes: Outputs.
        last_stride: Stride of the last stage.

    Raises:
        ShapeError: `num_classes` or `last_stride` is below 1.

    >>> ResNet(BasicBlock, (1, 1, 1, 1), (64, 128, 256, 512), num_classes=5)(torch.ones(2, 3, 64, 64)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        block: Block,
        depths: Sequence[int],
        channels: Sequence[int],
        *,
        num_classes: int = 1000,
        last_stride: int = 2,
    ) -> None:
        super().__init__()
        require_positive("ResNet", num_classes=num_classes, last_stride=last_stride)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(block, depths[0], 64, channels[0], 1)
        self.layer2 = _stage(block, depths[1], channels[0], channels[1], 2)
        self.layer3 = _stage(block, depths[2], channels[1], channels[2], 2)
        self.layer4 = _stage(block, depths[3], channels[2], channels[3], last_stride)
        self.fc = nn.Linear(channels[3], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


def _stage(block: Block, depth: int, in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        block(in_channels, out_channels, stride), *(block(out_channels, out_channels, 1) for _ in range(depth - 1))
    )


def resnet(depth: int, *, form: str = "v1.5", num_classes: int = 1000, last_stride: int = 2) -> ResNet:
    """Build a residual network by its number of layers.

    Args:
        depth: 18 or 34 (basic blocks), 26, 38, 50 or 101 (bottlenecks).
        form: Where bottlenecks stride, "v1.5" as torchvision in the 3×3 convolution, "v1" as published in the 1×1
            before it.
        num_classes: Outputs.
        last_stride: Stride of the last stage.

    Raises:
        ConfigError: `depth` or `form` is none of these.
        ShapeError: `num_classes` or `last_stride` is below 1.

    >>> len(resnet(18, num_classes=10).layer4)
    2
    """
    require_choice("resnet", DEPTHS, depth=str(depth))
    require_choice("resnet", ("v1", "v1.5"), form=form)
    small = depth in (18, 34)
    return ResNet(
        BasicBlock if small else partial(Bottleneck, form=form),
        DEPTHS[str(depth)],
        (64, 128, 256, 512) if small else (256, 512, 1024, 2048),
        num_classes=num_classes,
        last_stride=last_stride,
    )
