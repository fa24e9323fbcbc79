"""The basic block of ResNet-18 and ResNet-34, with its first convolution given.

Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385, fig. 5.
"""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from visattn.core.spec import Official


class BasicBlock(nn.Module):
    """`y = relu(BN(conv3×3(relu(BN(conv(x))))) + shortcut(x))`.

    Shapes: (B, C, H, W) → (B, out, H', W'), H' and W' as the first convolution has them.

    Args:
        conv: The first convolution, C → out channels; it has the stride.
        in_channels: C.
        out_channels: out.
        stride: Stride of the shortcut.
        project: The shortcut is a 1×1 convolution and batch norm, instead of the input itself.

    >>> import torch
    >>> BasicBlock(nn.Conv2d(4, 8, 3, 2, 1), 4, 8, stride=2, project=True)(torch.ones(2, 4, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    def __init__(
        self, conv: nn.Module, in_channels: int, out_channels: int, *, stride: int = 1, project: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = conv
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut = projection(in_channels, out_channels, stride) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of `x`."""
        y: Tensor = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return (y + (x if self.shortcut is None else self.shortcut(x))).relu()


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Return the shortcut of a block that changes width or size: a 1×1 convolution and batch norm."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


def rfaconv_block(file: str, conv: Callable[..., nn.Module], keys: Mapping[str, str]) -> Official:
    """Return the entry of the basic block of one of the ResNets that were published with RFAConv.

    Args:
        file: Its file in the authors' folder of classification networks.
        conv: Builds the first convolution from input and output channels, kernel size and stride.
        keys: The official keys of that convolution, and ours.
    """

    def build(inplanes: int, planes: int, stride: int = 1, downsample: object = None) -> BasicBlock:
        first = conv(inplanes, planes, 3, stride)
        return BasicBlock(first, inplanes, planes, stride=stride, project=downsample is not None)

    inner = {f"conv1.{theirs}": f"conv1.{ours}" for theirs, ours in keys.items()}
    return Official(
        source=f"Liuchen1997/RFAConv:classification/{file}:BasicBlock",
        licence="none",
        build=build,
        keys={**inner, "bn1.": "norm1.", "conv2.": "conv2.", "bn2.": "norm2.", "downsample.": "shortcut."},
    )
