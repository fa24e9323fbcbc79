"""CondConv: a convolution whose kernel is a mixture of experts, weighted anew for every image.

Paper: Yang et al., CondConv: Conditionally Parameterized Convolutions for Efficient Inference, NeurIPS 2019,
arXiv:1904.04971.
"""

from typing import Literal, get_args

from torch import Tensor, nn

from visattn.core.checks import require_choice, require_multiple, require_positive
from visattn.core.spec import Cost, Paper, Role, Spec
from visattn.layers.conv.geometry import Geometry, Size, read_geometry
from visattn.layers.conv.kernel_mixture import KernelMixture, start_as

Variant = Literal["official", "paper"]


class CondConv(nn.Module):
    """Convolution with `Σ_i α_i W_i`, where `α = σ(R mean x)` are the weights of the experts for an image.

    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`. Cost per image: that of the convolution, N·C MACs for the
    weights and N MACs per parameter of a kernel.

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: As in `nn.Conv2d`, one number for height and width.
        stride: As in `nn.Conv2d`, one number for height and width.
        padding: As in `nn.Conv2d`; `kernel_size // 2` by default.
        dilation: As in `nn.Conv2d`.
        groups: As in `nn.Conv2d`.
        bias: A bias per expert, mixed as the kernels are.
        variant: "official" has a bias in R, "paper" has none, as its formula.
        experts: N.

    Raises:
        ShapeError: A size or number is below 1, a pair holds two numbers, or the channels are no multiples of `groups`.
        ConfigError: `variant` is unknown.

    >>> import torch
    >>> CondConv(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
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
        variant: Variant = "official",
        experts: int = 8,
    ) -> None:
        super().__init__()
        require_positive("condconv", in_channels=in_channels, out_channels=out_channels, groups=groups)
        require_positive("condconv", experts=experts)
        require_multiple("condconv", "groups", groups, in_channels=in_channels, out_channels=out_channels)
        require_choice("condconv", get_args(Variant), variant=variant)
        geometry = _geometry(kernel_size, stride, padding, dilation)
        self.routing = nn.Linear(in_channels, experts, bias=variant == "official")
        self.mixture = KernelMixture(in_channels, out_channels, geometry, groups=groups, bias=bias, count=experts)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of each image with its own kernel."""
        y: Tensor = self.mixture(x, self.routing(x.mean(dim=(2, 3))).sigmoid())
        return y


def from_conv(module: CondConv, conv: nn.Conv2d) -> None:
    """Give every expert the weight ½ and make their mixture `conv`.

    Raises:
        ShapeError: The weight of `conv` has another shape than the module's kernels.
        ConfigError: `conv` has a bias and the module has none.
    """
    start_as("condconv", module.mixture, conv, share=0.5)
    for parameter in module.routing.parameters():
        nn.init.zeros_(parameter)


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size) -> Geometry:
    return read_geometry(
        "condconv", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=1
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
    variant: Variant = "official",
    experts: int = 8,
) -> Cost:
    """Closed-form cost of `CondConv` for one image."""
    geometry = _geometry(kernel_size, stride, padding, dilation)
    rows, columns = geometry.output_size(height, width)
    kernel = in_channels // groups * out_channels * geometry.kernel_size**2
    bank = experts * (in_channels + kernel + out_channels * bias)
    return Cost(params=bank + experts * (variant == "official"), macs=bank + kernel * rows * columns)


SPEC = Spec(
    name="condconv",
    role=Role.CONV,
    family="conv",
    summary="A convolution whose kernel is a mixture of several, with weights computed from the pooled image.",
    build=CondConv,
    maths=(
        "α = σ(R · mean over H×W of x + c), one weight per expert",
        "y = (Σ_i α_i W_i) ⋆ x + Σ_i α_i b_i",
    ),
    paper=Paper(
        title="CondConv: Conditionally Parameterized Convolutions for Efficient Inference",
        authors="Yang, Bender, Le, Ngiam",
        venue="NeurIPS",
        year=2019,
        arxiv="1904.04971",
    ),
    options={
        "variant": "'official' has a bias in the routing, 'paper' has none",
        "experts": "N, the number of kernels",
    },
    variants={
        "official": "a bias in the routing, as in the authors' EfficientNets",
        "paper": "no bias in the routing, as in the paper's formula",
    },
    default_reason="The routing bias of the published networks, and eight experts, as in most of the paper.",
    differs=(
        "The paper's formula has no bias in the routing; the published EfficientNets have one.",
        "In those networks the convolutions of one block share their routing; here each layer has its own.",
        "The weights are sigmoids and do not add up to one, unlike those of dynamic convolution.",
        "Some copies convolve image by image in a loop, or drop out routing weights, which the paper does not do.",
    ),
    cost=cost,
    from_conv=from_conv,
)
