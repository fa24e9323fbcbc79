"""The block of self-attention networks: norm and activation first, the input added last.

Paper: Zhao et al., Exploring Self-attention for Image Recognition, CVPR 2020, arXiv:2004.13621, fig. 2.
"""

from torch import Tensor, nn


class PreactivationBlock(nn.Module):
    """`y = x + conv1×1(relu(BN(middle(relu(BN(x))))))`.

    Shapes: (B, C, H, W) → (B, C, H, W).

    Args:
        middle: C → width channels, of the input's size.
        channels: C.
        width: Channels that leave the middle.

    >>> import torch
    >>> PreactivationBlock(nn.Conv2d(8, 4, 3, padding=1), 8, 4)(torch.ones(2, 8, 5, 7)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(self, middle: nn.Module, channels: int, width: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.middle = middle
        self.norm2 = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of `x`."""
        y: Tensor = self.conv(self.norm2(self.middle(self.norm1(x).relu())).relu())
        return x + y
