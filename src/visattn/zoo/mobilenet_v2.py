"""MobileNetV2, with the parameter names of torchvision's.

Paper: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, arXiv:1801.04381, table 2.
"""

from torch import Tensor, nn

from visattn.core.checks import require_positive

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, output channels, blocks and first stride of each stage."""


class InvertedResidual(nn.Module):
    """A 1×1 convolution to `expansion` times the channels, a depth-wise 3×3 convolution and a linear 1×1 convolution.

    The input is added where the shape stays. Expansion 1 has no first convolution.
    Shapes: (B, C, H, W) → (B, out, ⌈H/stride⌉, ⌈W/stride⌉).

    >>> import torch
    >>> InvertedResidual(4, 8, 2, expansion=6)(torch.ones(2, 4, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.conv = nn.Sequential(
            *([conv_norm_relu6(in_channels, hidden, 1)] if expansion > 1 else []),
            conv_norm_relu6(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of `x`."""
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


def conv_norm_relu6(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, *, groups: int = 1
) -> nn.Sequential:
    """Return a convolution without bias, batch norm and ReLU6."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU6())


class MobileNetV2(nn.Module):
    """A 3×3 convolution, seventeen inverted residuals, a 1×1 convolution, the mean and a linear classifier.

    Shapes: (B, 3, H, W) → (B, num_classes).

    Args:
        num_classes: Outputs.

    Raises:
        ShapeError: `num_classes` is below 1.

    >>> import torch
    >>> MobileNetV2(num_classes=5)(torch.ones(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(self, *, num_classes: int = 1000) -> None:
        super().__init__()
        require_positive("MobileNetV2", num_classes=num_classes)
        self.features = nn.Sequential(conv_norm_relu6(3, 32, 3, 2))
        in_channels = 32
        for expansion, channels, blocks, first in STAGES:
            for index in range(blocks):
                stride = first if index == 0 else 1
                self.features.append(InvertedResidual(in_channels, channels, stride, expansion=expansion))
                in_channels = channels
        self.features.append(conv_norm_relu6(in_channels, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        nn.init.normal_(self.classifier[1].weight, std=0.01)  # type: ignore[arg-type]
        nn.init.zeros_(self.classifier[1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.features(x).mean(dim=(2, 3)))
        return logits
