"""SKNet: the ResNeXt 32×4d with selective kernel convolutions in the place of its grouped ones.

Paper: Li et al., Selective Kernel Networks, CVPR 2019, arXiv:1903.06586, table 1.
"""

from torch import nn

from visattn.core.checks import require_choice
from visattn.layers.conv.sk import SK
from visattn.layers.hosts.bottleneck import Bottleneck
from visattn.zoo.resnet import DEPTHS, ResNet


def sknet(depth: int, *, num_classes: int = 1000) -> ResNet:
    """Build an SKNet by its number of layers, 50 or 101.

    Raises:
        ConfigError: `depth` is neither.
        ShapeError: `num_classes` is below 1.

    >>> len(sknet(50, num_classes=10).layer4)
    3
    """
    require_choice("sknet", ("50", "101"), depth=str(depth))
    return ResNet(_block, DEPTHS[str(depth)], (256, 512, 1024, 2048), num_classes=num_classes)


def _block(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    width = out_channels // 2
    middle = SK(width, width, 3, stride, groups=32)
    return Bottleneck(middle, in_channels, width, out_channels, stride=stride, project=in_channels != out_channels)
