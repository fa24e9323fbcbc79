"""A gate on the input and an ordinary convolution behind it."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from visattn.core.checks import require_multiple, require_positive
from visattn.core.spec import Cost
from visattn.layers.conv.conv_weights import take_over
from visattn.layers.conv.geometry import Geometry, Size, read_geometry


class GatedConv(nn.Module):
    """Convolve the gated input: `y = conv(gate(x))`, with batch norm and ReLU behind it where asked.

    A mechanism gives its name and its gate. Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`.

    Raises:
        ShapeError: A size is below 1, a pair holds two numbers, or the channels are no multiples of `groups`.
    """

    mechanism: ClassVar[str]
    gate: nn.Module

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: Size | None,
        dilation: Size,
        groups: int,
        bias: bool,
        norm_act: bool,
    ) -> None:
        super().__init__()
        require_positive(self.mechanism, in_channels=in_channels, out_channels=out_channels, groups=groups)
        require_multiple(self.mechanism, "groups", groups, in_channels=in_channels, out_channels=out_channels)
        geometry = _geometry(self.mechanism, kernel_size, stride, padding, dilation)
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            geometry.kernel_size,
            geometry.stride,
            geometry.padding,
            geometry.dilation,
            groups,
            bias,
        )
        self.norm = nn.BatchNorm2d(out_channels) if norm_act else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of the gated `x`."""
        y: Tensor = self.conv(self.gate(x))
        return y if self.norm is None else nn.functional.relu(self.norm(y))


def start_as(module: GatedConv, conv: nn.Conv2d, gate: float) -> None:
    """Set the convolution of `module` to `conv` divided by `gate`, the constant that its gate starts with.

    Raises:
        ShapeError: The weight of `conv` has another shape.
        ConfigError: `conv` has a bias and the module has none.
    """
    own = module.conv
    weight, bias = take_over(module.mechanism, conv, own.weight.shape, own.bias is not None)
    with torch.no_grad():
        own.weight.copy_(weight / gate)
        if own.bias is not None:
            own.bias.copy_(bias)


def conv_cost(
    mechanism: str,
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    kernel_size: Size,
    stride: Size,
    padding: Size | None,
    dilation: Size,
    groups: int,
    bias: bool,
    norm_act: bool,
) -> Cost:
    """Closed-form cost of the convolution and the norm of a `GatedConv` for one image."""
    geometry = _geometry(mechanism, kernel_size, stride, padding, dilation)
    rows, columns = geometry.output_size(height, width)
    weights = in_channels // groups * out_channels * geometry.kernel_size**2
    return Cost(params=weights + out_channels * (bias + 2 * norm_act), macs=weights * rows * columns)


def _geometry(mechanism: str, kernel_size: Size, stride: Size, padding: Size | None, dilation: Size) -> Geometry:
    return read_geometry(
        mechanism, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=1
    )
