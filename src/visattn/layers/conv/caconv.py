"""CAConv: coordinate attention on the input of an ordinary convolution.

Paper: Zhang et al., RFAConv: Innovating Spatial Attention and Standard Convolutional Operation, arXiv:2304.03198.
"""

from torch import nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.conv import rfaconv
from visattn.layers.conv.gated_conv import GatedConv, conv_cost, start_as
from visattn.layers.conv.geometry import Size
from visattn.layers.hosts.basic_block import rfaconv_block
from visattn.layers.mixed import coordatt
from visattn.layers.mixed.coordatt import CoordAtt


class CAConv(GatedConv):
    """Convolution of an input that coordinate attention gates by rows and columns.

    `y = conv(CoordAtt(x))`, see `CoordAtt`.
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`. Cost per image: that of the convolution and
    2·C·hidden·(H + W) MACs.

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: As in `nn.Conv2d`, one number for height and width.
        stride: As in `nn.Conv2d`, one number for height and width.
        padding: As in `nn.Conv2d`; `kernel_size // 2` by default.
        dilation: As in `nn.Conv2d`.
        groups: As in `nn.Conv2d`.
        bias: As in `nn.Conv2d`.
        reduction: r; the bottleneck has `max(8, C // r)` units.
        norm_act: Batch norm and ReLU behind the convolution.

    Raises:
        ShapeError: A size is below 1, a pair holds two numbers, or the channels are no multiples of `groups`.

    >>> import torch
    >>> CAConv(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    mechanism = "caconv"
    gate: CoordAtt

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
        reduction: int = 32,
        norm_act: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, norm_act)
        require_positive("caconv", reduction=reduction)
        self.gate = CoordAtt(in_channels, reduction=reduction)


def from_conv(module: CAConv, conv: nn.Conv2d) -> None:
    """Make both gates ½ and the convolution four times `conv`; with `norm_act` the module is left as it is.

    Raises:
        ShapeError: The weight of `conv` has another shape.
        ConfigError: `conv` has a bias and the module has none.
    """
    if module.norm is None:
        for parameter in (*module.gate.expand_h.parameters(), *module.gate.expand_w.parameters()):
            nn.init.zeros_(parameter)
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
    reduction: int = 32,
    norm_act: bool = False,
) -> Cost:
    """Closed-form cost of `CAConv` for one image."""
    gate = coordatt.cost(in_channels, height, width, reduction=reduction)
    conv = conv_cost(
        "caconv",
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
    "conv1.": "gate.reduce.",
    "bn1.": "gate.norm.",
    "conv_h.": "gate.expand_h.",
    "conv_w.": "gate.expand_w.",
    "conv.0.": "conv.",
}

SPEC = Spec(
    name="caconv",
    role=Role.CONV,
    family="conv",
    summary="A convolution of an input gated by coordinate attention, along rows and along columns.",
    build=CAConv,
    maths=(
        "f = hswish(BN(W₁ [mean over W of x; mean over H of x] + b₁)), along H + W positions",
        "y = conv(x · σ(W_h f[:H] + b_h) · σ(W_w f[H:] + b_w))",
    ),
    paper=rfaconv.SPEC.paper,
    official=(
        Official(
            source="Liuchen1997/RFAConv:classification/CAResnet.py:CAConv",
            licence="none",
            build=lambda inp, oup, kernel_size, stride, reduction=32: CAConv(
                inp, oup, kernel_size, stride, reduction=reduction
            ),
            keys=_KEYS,
        ),
        Official(
            source="Liuchen1997/RFAConv:Detection/YOLOv5/models/common.py:CAConv",
            licence="none",
            build=lambda inp, oup, kernel_size, stride, reduction=32: CAConv(
                inp, oup, kernel_size, stride, reduction=reduction, norm_act=True
            ),
            keys={**_KEYS, "conv.1.": "norm."},
        ),
        rfaconv_block("CAResnet.py", CAConv, _KEYS),
    ),
    options={
        "reduction": "r, the bottleneck has max(8, C // r) units",
        "norm_act": "batch norm and ReLU behind the convolution",
    },
    default_reason=(
        "r = 32 as in the authors' code. The convolution's host brings its own norm and activation, as in their "
        "classification networks."
    ),
    differs=(
        "The RFAConv article has it as a baseline: coordinate attention, whose paper puts it behind a convolution.",
        "The authors' YOLO code adds batch norm and ReLU (`norm_act`), their classification code does not.",
        "The bias before the batch norm has no effect in training; it is kept for the published weights.",
    ),
    cost=cost,
    from_conv=from_conv,
)
