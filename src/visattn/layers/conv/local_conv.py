"""Local convolution: a convolution with weights of its own at every position.

Paper: Taigman et al., DeepFace: Closing the Gap to Human-Level Performance in Face Verification, CVPR 2014.
"""

import math

import torch
from torch import Tensor, nn

from visattn.core.checks import require_multiple, require_positive
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Paper, Role, Spec
from visattn.layers.conv.conv_weights import take_over
from visattn.layers.conv.geometry import Geometry, Size, read_geometry


class LocalConv(nn.Module):
    """Convolution whose weights are not shared between positions: `y(p) = W_p ⋆ x (p) + b_p`.

    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`, for one H and W. Cost per image: that of the convolution,
    with H'·W' times its parameters.

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: k.
        stride: As in `nn.Conv2d`, one number for height and width.
        padding: As in `nn.Conv2d`; `kernel_size // 2` by default.
        dilation: As in `nn.Conv2d`.
        groups: As in `nn.Conv2d`.
        bias: A bias per channel and position.
        height: H.
        width: W.

    Raises:
        ShapeError: A size is below 1, a pair holds two numbers, the channels are no multiples of `groups`, the kernel
            does not fit into the padded input, or, in forward, the input has another size.

    >>> LocalConv(4, 8, 3, stride=2, height=7, width=9)(torch.ones(2, 4, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size = 3,
        stride: Size = 1,
        padding: Size | None = None,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        height: int,
        width: int,
    ) -> None:
        super().__init__()
        require_positive("local_conv", in_channels=in_channels, out_channels=out_channels, groups=groups)
        require_positive("local_conv", height=height, width=width)
        require_multiple("local_conv", "groups", groups, in_channels=in_channels, out_channels=out_channels)
        geometry = _geometry(kernel_size, stride, padding, dilation)
        rows, columns = geometry.output_size(height, width)
        if min(rows, columns) < 1:
            raise ShapeError(
                f"local_conv got a {height}×{width} input, which a kernel of {geometry.kernel_size} with "
                f"dilation {geometry.dilation} does not fit into",
                hint="pass a smaller kernel or more padding",
            )
        self.geometry = geometry
        self.groups = groups
        self.size = (height, width)
        kernel = (in_channels // groups, geometry.kernel_size, geometry.kernel_size)
        self.weight = nn.Parameter(torch.empty(rows, columns, out_channels, *kernel))
        self.bias = nn.Parameter(torch.empty(out_channels, rows, columns)) if bias else None
        bound = 1 / math.sqrt(math.prod(kernel))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Return each position's own product."""
        if x.shape[2:] != self.size:
            raise ShapeError(
                f"local_conv got a {x.shape[2]}×{x.shape[3]} input, expected {self.size[0]}×{self.size[1]}",
                hint="its weights belong to positions, so it works at one size only",
            )
        rows, columns, out_channels = self.weight.shape[:3]
        geometry, batch = self.geometry, len(x)
        patches = nn.functional.unfold(x, geometry.kernel_size, geometry.dilation, geometry.padding, geometry.stride)
        # positions and groups are the batch of the product
        patches = patches.reshape(batch, self.groups, -1, rows * columns).permute(3, 1, 2, 0)
        weight = self.weight.reshape(rows * columns, self.groups, out_channels // self.groups, -1)
        y = (weight @ patches).permute(3, 1, 2, 0).reshape(batch, out_channels, rows, columns)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """Show what the parameters do not."""
        return f"height={self.size[0]}, width={self.size[1]}"


def from_conv(module: LocalConv, conv: nn.Conv2d) -> None:
    """Give every position the weight and the bias of `conv`.

    Raises:
        ShapeError: The weight of `conv` has another shape than that of a position.
        ConfigError: `conv` has a bias and the module has none.
    """
    weight, bias = take_over("local_conv", conv, module.weight.shape[2:], module.bias is not None)
    with torch.no_grad():
        module.weight.copy_(weight.expand_as(module.weight))
        if module.bias is not None:
            module.bias.copy_(bias[:, None, None].expand_as(module.bias))


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size) -> Geometry:
    return read_geometry(
        "local_conv", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=1
    )


def cost(
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    *,
    kernel_size: Size = 3,
    stride: Size = 1,
    padding: Size | None = None,
    dilation: Size = 1,
    groups: int = 1,
    bias: bool = True,
) -> Cost:
    """Closed-form cost of `LocalConv` for one image."""
    geometry = _geometry(kernel_size, stride, padding, dilation)
    rows, columns = geometry.output_size(height, width)
    weights = in_channels // groups * out_channels * geometry.kernel_size**2 * rows * columns
    return Cost(params=weights + out_channels * rows * columns * bias, macs=weights)


SPEC = Spec(
    name="local_conv",
    role=Role.CONV,
    family="conv",
    summary="A convolution with weights of its own at every position, for images that are aligned.",
    build=LocalConv,
    maths=("y[o](p) = Σ_{c,t} W_p[o,c,t] · x[c](p + t) + b_p[o]",),
    paper=Paper(
        title="DeepFace: Closing the Gap to Human-Level Performance in Face Verification",
        authors="Taigman, Yang, Ranzato, Wolf",
        venue="CVPR",
        year=2014,
    ),
    default_reason="Each position starts as `nn.Conv2d` does; the paper's fixed deviation suits its own widths only.",
    differs=(
        "Also called a locally connected layer; it is what region-aware convolution has when each pixel is a region.",
        "It works at one input size, which `build` takes; plugging passes the size of the traced features.",
        "The paper draws weights from a normal distribution with standard deviation 0.01 and sets biases to 0.5.",
    ),
    cost=cost,
    from_conv=from_conv,
    fixed_size=True,
)
