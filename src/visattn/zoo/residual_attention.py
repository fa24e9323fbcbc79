"""The residual attention networks of 56 and 92 layers.

Paper: Wang et al., Residual Attention Network for Image Classification, CVPR 2017, arXiv:1704.06904, table 2.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.layers.mixed.ranet import ResidualAttention, ResidualUnit

MODULES = {"56": (1, 1, 1), "92": (1, 2, 3)}
"""Number of layers → attention modules in each of the first three stages."""


class WideningUnit(nn.Module):
    """A pre-activation bottleneck that changes the width, with a 1×1 convolution of the activated input as shortcut.

    `W u + W₃ δ(W₂ δ(W₁ u))`, `u = δ(x)`, δ batch norm and ReLU, W₂ 3×3 with the stride, others 1×1.
    Shapes: (B, C, H, W) → (B, out, ⌈H/stride⌉, ⌈W/stride⌉).

    >>> WideningUnit(4, 8, 2)(torch.ones(2, 4, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        width = out_channels // 4
        self.activate = nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU())
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, out_channels, 1, bias=False),
        )
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the unit makes of `x`."""
        x = self.activate(x)
        y: Tensor = self.shortcut(x) + self.branch(x)
        return y


class ResidualAttentionNetwork(nn.Module):
    """Four stages of pre-activation units, the first three with attention modules, the mean and a linear classifier.

    Shapes: (B, 3, H, W) → (B, num_classes); published for 224×224.

    Args:
        depth: Number of layers, 56 or 92.
        num_classes: Outputs.

    Raises:
        ConfigError: `depth` is neither.
        ShapeError: `num_classes` is below 1.

    >>> len(ResidualAttentionNetwork(92, num_classes=5).stages)
    12
    """

    def __init__(self, depth: int = 56, *, num_classes: int = 1000) -> None:
        super().__init__()
        require_choice("ResidualAttentionNetwork", MODULES, depth=str(depth))
        require_positive("ResidualAttentionNetwork", num_classes=num_classes)
        self.first = nn.Sequential(nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.stages = nn.Sequential()
        in_channels = 64
        for stage, modules in enumerate(MODULES[str(depth)]):
            channels = 256 * 2**stage
            self.stages.append(WideningUnit(in_channels, channels, 1 if stage == 0 else 2))
            self.stages.extend(ResidualAttention(channels, depth=3 - stage) for _ in range(modules))
            in_channels = channels
        self.stages.extend((WideningUnit(1024, 2048, 2), ResidualUnit(2048), ResidualUnit(2048)))
        self.norm = nn.BatchNorm2d(2048)
        self.fc = nn.Linear(2048, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        # as in Caffe, a window may reach over the edge
        x = nn.functional.max_pool2d(self.first(x), 3, 2, ceil_mode=True)
        features = torch.relu(self.norm(self.stages(x)))
        logits: Tensor = self.fc(features.mean(dim=(2, 3)))
        return logits
