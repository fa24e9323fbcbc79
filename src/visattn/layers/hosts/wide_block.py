"""The block of wide residual networks, with a gate on its branch.

Paper: Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016, arXiv:1605.07146, fig. 1.
"""

from torch import Tensor, nn


class WideBlock(nn.Module):
    """`y = gate(conv3×3(dropout(relu(BN(conv3×3(relu(BN(x)))))))) + shortcut`.

    The shortcut is `x`, or where the width changes a 1×1 convolution of `relu(BN(x))`.
    Shapes: (B, C, H, W) → (B, out, H/stride, W/stride).

    Args:
        gate: (B, out, ...) → the same.
        in_channels: C.
        out_channels: out.
        stride: Stride of the first convolution and of the shortcut.
        dropout: Probability.

    >>> import torch
    >>> WideBlock(nn.Identity(), 4, 8, stride=2)(torch.ones(2, 4, 6, 8)).shape
    torch.Size([2, 8, 3, 4])
    """

    def __init__(
        self, gate: nn.Module, in_channels: int, out_channels: int, *, stride: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.gate = gate
        self.shortcut = (
            None if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of `x`."""
        entry = self.norm1(x).relu()
        branch: Tensor = self.gate(self.conv2(self.dropout(self.norm2(self.conv1(entry)).relu())))
        return branch + (x if self.shortcut is None else self.shortcut(entry))
