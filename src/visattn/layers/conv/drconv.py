"""DRConv: dynamic region-aware convolution, a filter of its own for every region that a guide finds in the image.

Paper: Chen et al., Dynamic Region-Aware Convolution, CVPR 2021, arXiv:2003.12243.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.errors import ConfigError, ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.conv.geometry import Geometry, Size, read_geometry
from visattn.layers.conv.region_conv import FilterGenerator, KernelBank, RegionConv
from visattn.layers.hosts.shuffle_unit import ShuffleUnit

Variant = Literal["official", "paper"]


class DRConv(nn.Module):
    """Convolution whose filter depends on the image and on the region of each pixel.

    A guide convolution scores m regions per pixel, `y(p) = W_{argmax_j G_j(p)} ⋆ x (p)`, and learns as if the choice
    were `softmax(G)`. Where the filters `W_j` come from is the variant.
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`.
    Cost per image: N or m times the convolution, since every kernel responds everywhere, and the filters and guide.

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: k.
        stride: As in `nn.Conv2d`.
        padding: As in `nn.Conv2d`; `kernel_size // 2` by default.
        dilation: As in `nn.Conv2d`.
        groups: Must be 1.
        bias: Bias of the result.
        variant: "official" mixes a bank of kernels per region and image, with a 1×1 guide on the input; "paper"
            generates the filters from the pooled input, with a k×k guide.
        regions: m.
        num_kernels: N, the kernels in the bank of "official".
        beta: Factor of the guide's gradient.

    Attributes:
        use_alpha: False, as published. Set it to let each filter learn from all pixels by their softmax(G), so that
            filters without a pixel learn too. The gradients of the filters are then no derivatives either.

    Raises:
        ShapeError: A size or number is below 1.
        ConfigError: `variant` is unknown, or `groups` is not 1.

    >>> DRConv(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
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
        regions: int = 8,
        num_kernels: int = 8,
        beta: float = 1.0,
    ) -> None:
        super().__init__()
        require_positive("drconv", in_channels=in_channels, out_channels=out_channels)
        require_positive("drconv", regions=regions, num_kernels=num_kernels)
        require_choice("drconv", get_args(Variant), variant=variant)
        geometry = _geometry(kernel_size, stride, padding, dilation, groups)
        self.beta = beta
        self.use_alpha = False
        filters: KernelBank | FilterGenerator
        if variant == "official":
            self.guide = nn.Conv2d(in_channels, regions, 1, bias=False)
            filters = KernelBank(in_channels, out_channels, geometry, regions, num_kernels)
        else:
            self.guide = nn.Conv2d(
                in_channels, regions, geometry.kernel_size, geometry.stride, geometry.padding, geometry.dilation
            )
            filters = FilterGenerator(in_channels, out_channels, geometry, regions)
        self.regional = RegionConv(filters, out_channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of `x` with the filter of each pixel's region."""
        scores: Tensor = self.guide(x)
        y: Tensor = self.regional(x, scores.argmax(dim=1), scores.softmax(dim=1), self.use_alpha, self.beta)
        return y

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"beta={self.beta}, use_alpha={self.use_alpha}"


def from_conv(module: DRConv, conv: nn.Conv2d) -> None:
    """Make every region's filter that of `conv`, in a way that lets the regions part in training.

    The kernels of a bank differ by random deviations that add up to zero. A generator's bias is the same for all taps
    of a kernel, so that it can be no convolution but a 1×1 one; for a larger one the module is left as it is.

    Raises:
        ShapeError: The weight of `conv` has another shape than the module's filters.
        ConfigError: `conv` has a bias and the module has none.
    """
    filters, bias = module.regional.filters, module.regional.bias
    size = filters.geometry.kernel_size
    own = (module.regional.out_channels, module.guide.in_channels, size, size)
    if tuple(conv.weight.shape) != own:
        raise ShapeError(f"drconv got a convolution of weight {tuple(conv.weight.shape)}, expected {own}")
    if conv.bias is not None and bias is None:
        raise ConfigError("drconv got a convolution with bias, expected one without", hint="build it with bias=True")
    if isinstance(filters, FilterGenerator) and size > 1:
        return
    with torch.no_grad():
        if bias is not None:
            bias.copy_(torch.zeros_like(bias) if conv.bias is None else conv.bias)
        if isinstance(filters, KernelBank):
            # half the weights' size: with equal kernels a mixture could only change in strength
            deviation = 0.5 * conv.weight.square().mean().sqrt() * torch.randn_like(filters.weight)
            filters.weight.copy_(conv.weight.reshape(-1, 1) + deviation - deviation.mean(dim=-1, keepdim=True))
            nn.init.zeros_(filters.routing.weight)
            nn.init.zeros_(filters.routing.bias)
        else:
            nn.init.zeros_(filters.expand.weight)
            filters.expand.bias.copy_(conv.weight.flatten().repeat(module.guide.out_channels))  # type: ignore[union-attr]


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size, groups: int) -> Geometry:
    return read_geometry(
        "drconv", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=groups
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
    regions: int = 8,
    num_kernels: int = 8,
    beta: float = 1.0,
) -> Cost:
    """Closed-form cost of `DRConv` for one image; the forward with `use_alpha` and gradients has two convolutions."""
    geometry = _geometry(kernel_size, stride, padding, dilation, groups)
    rows, columns = geometry.output_size(height, width)
    taps, pixels = geometry.kernel_size**2, rows * columns
    matrix = in_channels * out_channels
    if variant == "official":
        mixture = regions * num_kernels
        return Cost(
            params=num_kernels * matrix * taps
            + (in_channels + 1) * mixture
            + in_channels * regions
            + out_channels * bias,
            macs=num_kernels * matrix * taps * pixels
            + mixture * (pixels + in_channels)
            + in_channels * regions * height * width,
        )
    generator = in_channels * regions**2 + regions**2 * matrix
    return Cost(
        params=generator + regions**2 + regions * (matrix + in_channels * taps + 1) + out_channels * bias,
        macs=generator * taps + regions * (matrix + in_channels) * taps * pixels,
    )


def _from_megvii(
    in_channels: int,
    out_channels: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size = 0,
    groups: int = 1,
    bias: bool = True,
    dilation: Size = 1,
    groups_num: int = 8,
    num_W: int = 8,  # noqa: N803
) -> RegionConv:
    geometry = _geometry(kernel_size, stride, padding, dilation, groups)
    return RegionConv(KernelBank(in_channels, out_channels, geometry, groups_num, num_W), out_channels, bias)


def _from_shallowtoil(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    region_num: int = 8,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
) -> DRConv:
    return DRConv(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding,
        dilation,
        bias=False,
        variant="paper",
        regions=region_num,
    )


SPEC = Spec(
    name="drconv",
    role=Role.CONV,
    family="conv",
    summary="A convolution with a filter of its own for every region that a learned guide finds in the image.",
    build=DRConv,
    maths=(
        "G = guide convolution of x, m channels;  M(p) = argmax_j G_j(p)",
        "r = 2σ(R · mean of x + b) / N;  W_j = Σ_n r_jn K_n, N kernels shared by m regions",
        "y(p) = W_{M(p)} ⋆ x (p) + bias",
        "gradient of G: as if y(p) were Σ_j softmax_j(G(p)) · (W_j ⋆ x (p))",
    ),
    paper=Paper(
        title="Dynamic Region-Aware Convolution",
        authors="Chen, Wang, Guo, Zhang, Sun",
        venue="CVPR",
        year=2021,
        arxiv="2003.12243",
    ),
    official=(
        Official(
            source="megvii-research/DRConv:DRConv.py:DRConv",
            licence="Apache-2.0",
            build=_from_megvii,
            keys={"weight": "filters.weight", "routing_fc.": "filters.routing.", "bias": "bias"},
        ),
        Official(
            source="megvii-research/DRConv:ShuffleNetV2_pytorch.py:make_block",
            licence="Apache-2.0",
            build=lambda inp, oup, stride, groups_num=8: ShuffleUnit(inp, oup, stride=stride, regions=groups_num),
            keys={
                "masknet.": "guide.",
                **{
                    f"{theirs}.conv.{part}": f"{ours}.filters.{own}"
                    for theirs, ours in (("conva_right", "reduce"), ("convc_right", "expand"))
                    for part, own in (("weight", "weight"), ("routing_fc.", "routing."))
                },
                "conva_right.bn.": "norm_reduce.",
                "convb_right.conv.": "depthwise.0.",
                "convb_right.bn.": "depthwise.1.",
                "convc_right.bn.": "norm_expand.",
                "conva_left.conv.": "left.0.",
                "conva_left.bn.": "left.1.",
                "convb_left.conv.": "left.2.",
                "convb_left.bn.": "left.3.",
            },
        ),
        Official(
            source="shallowtoil/DRConv-PyTorch:drconv.py:DRConv2d",
            licence="none",
            build=_from_shallowtoil,
            keys={
                "conv_kernel.1.": "regional.filters.reduce.",
                "conv_kernel.3.": "regional.filters.expand.",
                "conv_guide.": "guide.",
            },
        ),
    ),
    options={
        "variant": "where the filters come from",
        "regions": "m, the number of regions",
        "num_kernels": "N, the kernels in the bank of variant 'official'",
        "beta": "factor of the guide's gradient",
    },
    variants={
        "official": "a bank of kernels mixed per region and image, 1×1 guide without bias on the input",
        "paper": "filters generated from the input pooled to k×k, guide of the convolution's own size and stride",
    },
    default_reason="The bank is the authors' released code, and it can start as the convolution that it replaces.",
    differs=(
        "The paper generates filters from the pooled input; the authors' code mixes a bank of kernels instead.",
        "The authors' ShuffleNetV2 computes one guide per block and hands it to two layers; here each layer has one.",
        "The paper's form has no bias on the result; here `bias` decides in both variants.",
        "The authors' kernel convolves each pixel once; here every kernel responds everywhere, so that a layer costs N "
        "(official) or m (paper) convolutions.",
        "The common copy of the paper's form has no gradient in eval mode; here it has one.",
        "In the paper's form all taps of a filter share one bias, so only a 1×1 one can start as a given convolution.",
    ),
    cost=cost,
    from_conv=from_conv,
    straight_through=("guide.",),
)
