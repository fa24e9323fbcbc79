"""The pre-activation residual network for small images.

Papers: He et al., Identity Mappings in Deep Residual Networks, ECCV 2016, arXiv:1603.05027, fig. 4; Guo et al., Spatial
Pyramid Attention Network for Enhanced Image Recognition, ICME 2020, for a gate that sees the input of its block.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive

Gate = Callable[[int, int], nn.Module]
"""Builds a gate `gate(branch, x)` from the channels of the block's input `x` and of its branch."""


class PreactivationBasicBlock(nn.Module):
    """`gate(conv3×3(relu(BN(conv3×3(u)))), x) + shortcut` with `u = relu(BN(x))`.

    The shortcut is `x`, or where the width or the size changes a 1×1 convolution of `u`.
    Shapes: (B, C, H, W) → (B, out, ⌈H/stride⌉, ⌈W/stride⌉).

    >>> PreactivationBasicBlock(4, 8, 2)(torch.ones(2, 4, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, gate: nn.Module | None = None) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.gate = gate
        changes = stride != 1 or in_channels != out_channels
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of `x`."""
        entry = torch.relu(self.bn1(x))
        branch: Tensor = self.conv2(torch.relu(self.bn2(self.conv1(entry))))
        if self.gate is not None:
            branch = self.gate(branch, x)
        return branch + (x if self.shortcut is None else self.shortcut(entry))


class PreactivationResNet(nn.Module):
    """A 3×3 convolution, four stages of two pre-activation blocks, the mean and a linear classifier: 18 layers.

    There is no batch norm at the end, as in the published networks with spatial pyramid attention.
    Shapes: (B, 3, H, W) → (B, num_classes); published for 32×32.

    Args:
        num_classes: Outputs.
        gate: Builds a gate for every block; None leaves them out.

    Raises:
        ShapeError: `num_classes` is below 1.

    >>> PreactivationResNet(num_classes=5)(torch.ones(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(self, *, num_classes: int = 100, gate: Gate | None = None) -> None:
        super().__init__()
        require_positive("PreactivationResNet", num_classes=num_classes)
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.stages = nn.Sequential()
        in_channels = 64
        for stage, channels in enumerate((64, 128, 256, 512)):
            for stride in (1 if stage == 0 else 2, 1):
                attention = None if gate is None else gate(in_channels, channels)
                self.stages.append(PreactivationBasicBlock(in_channels, channels, stride, attention))
                in_channels = channels
        self.fc = nn.Linear(in_channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.fc(self.stages(self.conv1(x)).mean(dim=(2, 3)))
        return logits
