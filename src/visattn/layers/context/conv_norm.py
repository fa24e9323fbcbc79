"""The block that heads are built of: a convolution that keeps height and width, batch norm, ReLU."""

from torch import nn


def conv_norm_relu(in_channels: int, out_channels: int, kernel_size: int = 1, *, bias: bool = False) -> nn.Sequential:
    """Build convolution, batch norm and ReLU. Shapes: (B, in, H, W) → (B, out, H, W).

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Odd.
        bias: Bias of the convolution; the batch norm cancels it in training.

    >>> sum(p.numel() for p in conv_norm_relu(4, 8, 3).parameters()) == conv_norm_params(4, 8, 3)
    True
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def conv_norm_params(in_channels: int, out_channels: int, kernel_size: int = 1, *, bias: bool = False) -> int:
    """Return the number of parameters of a convolution with batch norm."""
    return out_channels * (in_channels * kernel_size**2 + bias + 2)
