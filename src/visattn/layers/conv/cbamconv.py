"""CBAMConv: the channel and spatial gates of CBAM on the input of an ordinary convolution.

Paper: Zhang et al., RFAConv: Innovating Spatial Attention and Standard Convolutional Operation, arXiv:2304.03198.
"""

from torch import nn

from visattn.core.checks import require_odd, require_positive
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.conv import rfaconv
from visattn.layers.conv.gated_conv import GatedConv, conv_cost, start_as
from visattn.layers.conv.geometry import Size
from visattn.layers.hosts.basic_block import rfaconv_block
from visattn.layers.mixed import cbam
from visattn.layers.mixed.cbam import CBAM


class CBAMConv(GatedConv):
    """Convolution of an input whose channels and then positions are gated.

    `y = conv(CBAM(x))`, with the gates of `CBAM` without biases and batch norm, as in its paper.
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`. Cost per image: that of the convolution and
    4·C·hidden + 2·s²·H·W MACs, s the size of the spatial kernel.

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: As in `nn.Conv2d`, one number for height and width.
        stride: As in `nn.Conv2d`, one number for height and width.
        padding: As in `nn.Conv2d`; `kernel_size // 2` by default.
        dilation: As in `nn.Conv2d`.
        groups: As in `nn.Conv2d`.
        bias: As in `nn.Conv2d`.
        reduction: r; the hidden layer has `max(1, C // r)` units.
        spatial_kernel: Size of the spatial gate's kernel, odd.
        norm_act: Batch norm and ReLU behind the convolution.

    Raises:
        ShapeError: A size is below 1, a pair holds two numbers, or the channels are no multiples of `groups`.

    >>> import torch
    >>> CBAMConv(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    mechanism = "cbamconv"
    gate: CBAM

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
        reduction: int = 16,
        spatial_kernel: int = 7,
        norm_act: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, norm_act)
        require_positive("cbamconv", reduction=reduction)
        require_odd("cbamconv", spatial_kernel=spatial_kernel)
        self.gate = CBAM(in_channels, reduction=reduction, kernel_size=spatial_kernel, variant="paper")


def from_conv(module: CBAMConv, conv: nn.Conv2d) -> None:
    """Make each gate ½ and the convolution four times `conv`; with `norm_act` the module is left as it is.

    Raises:
        ShapeError: The weight of `conv` has another shape.
        ConfigError: `conv` has a bias and the module has none.
    """
    if module.norm is None:
        for last in ("channel.expand.weight", "spatial.conv.weight"):
            nn.init.zeros_(module.gate.get_parameter(last))
        start_as(module, conv, 0.25)


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
    reduction: int = 16,
    spatial_kernel: int = 7,
    norm_act: bool = False,
) -> Cost:
    """Closed-form cost of `CBAMConv` for one image."""
    gate = cbam.cost(in_channels, height, width, reduction=reduction, kernel_size=spatial_kernel, variant="paper")
    conv = conv_cost(
        "cbamconv",
        in_channels,
        out_channels,
        height,
        width,
        kernel_size,
        stride,
        padding,
        dilation,
        groups,
        bias,
        norm_act,
    )
    return Cost(params=gate.params + conv.params, macs=gate.macs + conv.macs)


_KEYS = {
    "mlp.0.": "gate.channel.reduce.",
    "mlp.2.": "gate.channel.expand.",
    # spelt so
    "spatital.": "gate.spatial.conv.",
    "conv.0.": "conv.",
}

SPEC = Spec(
    name="cbamconv",
    role=Role.CONV,
    family="conv",
    summary="A convolution of an input whose channels and positions are gated as in CBAM.",
    build=CBAMConv,
    maths=(
        "MLP(z) = W₂ relu(W₁ z), shared",
        "x' = x · σ(MLP(mean over H×W of x) + MLP(max over H×W of x))",
        "y = conv(x' · σ(conv_7×7([max over C of x'; mean over C of x'])))",
    ),
    paper=rfaconv.SPEC.paper,
    official=(
        Official(
            source="Liuchen1997/RFAConv:classification/CBAMresnet.py:CBAMConv",
            licence="none",
            build=lambda channel, out_channel, kernel_size, stride, reduction=16, spatial_kernel=7: CBAMConv(
                channel, out_channel, kernel_size, stride, reduction=reduction, spatial_kernel=spatial_kernel
            ),
            keys=_KEYS,
        ),
        Official(
            source="Liuchen1997/RFAConv:Detection/YOLOv5/models/common.py:CBAMConv",
            licence="none",
            build=lambda channel, out_channel, kernel_size, stride, reduction=16, spatial_kernel=7: CBAMConv(
                channel,
                out_channel,
                kernel_size,
                stride,
                reduction=reduction,
                spatial_kernel=spatial_kernel,
                norm_act=True,
            ),
            keys={**_KEYS, "conv.1.": "norm."},
        ),
        rfaconv_block("CBAMresnet.py", CBAMConv, _KEYS),
    ),
    options={
        "reduction": "r, the hidden layer has max(1, C // r) units",
        "spatial_kernel": "size of the spatial gate's kernel, odd",
        "norm_act": "batch norm and ReLU behind the convolution",
    },
    default_reason=(
        "r = 16 and a 7×7 spatial kernel as in the authors' code. The convolution's host brings its own norm and "
        "activation, as in their classification networks."
    ),
    differs=(
        "The RFAConv article has it as a baseline: CBAM, whose paper puts it behind a convolution.",
        "CBAM's own code has biases in the two layers and batch norm in the spatial gate, the authors' CBAMConv has "
        "neither.",
        "The authors' YOLO code adds batch norm and ReLU (`norm_act`), their classification code does not.",
        "Below r channels the authors' code has an empty hidden layer; here it keeps one unit.",
    ),
    cost=cost,
    from_conv=from_conv,
)
