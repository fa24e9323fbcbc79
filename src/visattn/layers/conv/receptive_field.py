"""Receptive-field features: the k×k patch of every output pixel, re-made by depth-wise filters and laid out."""

from torch import Tensor, nn

from visattn.layers.conv.geometry import Geometry


class ReceptiveField(nn.Module):
    """k² depth-wise filters per channel, batch norm and ReLU, laid out side by side so that windows do not overlap.

    Shapes: (B, C, H, W) → (B, C, k·H', k·W'); the k×k square of an output pixel holds its k² features.

    >>> import torch
    >>> geometry = Geometry(kernel_size=3, stride=2, padding=1, dilation=1)
    >>> ReceptiveField(4, geometry)(torch.ones(2, 4, 7, 9)).shape
    torch.Size([2, 4, 12, 15])
    """

    def __init__(self, channels: int, geometry: Geometry) -> None:
        super().__init__()
        width = channels * geometry.kernel_size**2
        self.features = nn.Conv2d(
            channels,
            width,
            geometry.kernel_size,
            geometry.stride,
            geometry.padding,
            geometry.dilation,
            groups=channels,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(width)
        self.layout = nn.PixelShuffle(geometry.kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        features: Tensor = self.layout(self.norm(self.features(x)).relu())
        return features
