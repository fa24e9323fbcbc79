"""Small residual networks that train in seconds on small images.

Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385, section 4.2.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut: `relu(x + F(x))` (He et al., eq. 1 and 2).

    The shortcut is a 1×1 projection where the stride or the width changes. Shapes: (B, C_in, H, W) →
    (B, C_out, ⌈H/stride⌉, ⌈W/stride⌉).
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        branch = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(branch + self.shortcut(x))


class SmallResNet(nn.Module):
    """The residual network for small images: 6n + 2 layers in three stages (He et al., section 4.2).

    Args:
        depth: 6n + 2: 8, 14, 20 ...
        width: Channels of the first stage; the others have twice and four times as many.
        num_classes: Outputs.
        in_channels: Channels of the images.
        stem_stride: 1 as published for 32 px; 2 or 4 for larger images.

    Raises:
        ShapeError: A size is below 1.

    >>> net = SmallResNet(8, num_classes=10, in_channels=1)
    >>> net(torch.zeros(2, 1, 16, 16)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, depth: int = 8, *, width: int = 16, num_classes: int = 10, in_channels: int = 3, stem_stride: int = 1
    ) -> None:
        super().__init__()
        require_positive("SmallResNet", depth=depth, width=width, num_classes=num_classes, in_channels=in_channels)
        blocks = max(1, (depth - 2) // 6)
        self.conv1 = nn.Conv2d(in_channels, width, 3, stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stages = nn.Sequential(*(self._stage(width, index, blocks) for index in range(3)))
        self.fc = nn.Linear(4 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _stage(width: int, index: int, blocks: int) -> nn.Sequential:
        channels = width * 2**index
        entry = width if index == 0 else channels // 2
        first = BasicBlock(entry, channels, stride=1 if index == 0 else 2)
        return nn.Sequential(first, *(BasicBlock(channels, channels, stride=1) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (B, num_classes)."""
        features = self.stages(torch.relu(self.bn1(self.conv1(x))))
        logits: Tensor = self.fc(features.mean(dim=(2, 3)))
        return logits
