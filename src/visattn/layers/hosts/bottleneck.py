"""The bottleneck block of ResNet-50 and its like, with what stands between its 1×1 convolutions given.

Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385, fig. 5.
"""

from torch import Tensor, nn

from visattn.layers.hosts.basic_block import projection


class Bottleneck(nn.Module):
    """`y = relu(gate(BN(conv1×1(middle(relu(BN(conv1×1(x))))))) + shortcut(x))`.

    Shapes: (B, C, H, W) → (B, out, H', W'), H' and W' as the middle has them.

    Args:
        middle: Between the 1×1 convolutions, width → width channels; it has the stride, and its own norm and activation
            where the published block has them.
        in_channels: C.
        width: Channels of the middle.
        out_channels: out.
        stride: Stride of the shortcut.
        project: The shortcut is a 1×1 convolution and batch norm, instead of the input itself.
        gate: Behind the last batch norm, out → out channels.

    >>> import torch
    >>> Bottleneck(nn.Conv2d(4, 4, 3, 2, 1), 8, 4, 16, stride=2, project=True)(torch.ones(2, 8, 7, 9)).shape
    torch.Size([2, 16, 4, 5])
    """

    def __init__(
        self,
        middle: nn.Module,
        in_channels: int,
        width: int,
        out_channels: int,
        *,
        stride: int = 1,
        project: bool = False,
        gate: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.middle = middle
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.gate = gate
        self.shortcut = projection(in_channels, out_channels, stride) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of `x`."""
        y: Tensor = self.norm3(self.conv3(self.middle(self.norm1(self.conv1(x)).relu())))
        y = y if self.gate is None else self.gate(y)
        return (y + (x if self.shortcut is None else self.shortcut(x))).relu()
