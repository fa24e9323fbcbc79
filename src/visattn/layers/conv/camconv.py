"""CAMConv: the channel gate of CBAM on the input of an ordinary convolution.

Paper: Zhang et al., RFAConv: Innovating Spatial Attention and Standard Convolutional Operation, arXiv:2304.03198.
"""

from torch import nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.channel import cbam_channel
from visattn.layers.channel.cbam_channel import CBAMChannel
from visattn.layers.conv import rfaconv
from visattn.layers.conv.gated_conv import GatedConv, conv_cost, start_as
from visattn.layers.conv.geometry import Size
from visattn.layers.hosts.basic_block import rfaconv_block


class CAMConv(GatedConv):
    """Convolution of an input whose channels are gated.

    `y = conv(x · σ(MLP(mean x) + MLP(max x)))`, the MLP shared, with one hidden layer and no biases (`CBAMChannel`).
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`. Cost per image: that of the convolution and
    4·C·hidden MACs.

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
        norm_act: Batch norm and ReLU behind the convolution.

    Raises:
        ShapeError: A size is below 1, a pair holds two numbers, or the channels are no multiples of `groups`.

    >>> import torch
    >>> CAMConv(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    mechanism = "camconv"
    gate: CBAMChannel

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
        norm_act: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, norm_act)
        require_positive("camconv", reduction=reduction)
        self.gate = CBAMChannel(in_channels, reduction=reduction, variant="paper")


def from_conv(module: CAMConv, conv: nn.Conv2d) -> None:
    """Make the gate ½ and the convolution twice `conv`; with `norm_act` the module is left as it is.

    Raises:
        ShapeError: The weight of `conv` has another shape.
        ConfigError: `conv` has a bias and the module has none.
    """
    if module.norm is None:
        nn.init.zeros_(module.gate.expand.weight)
        start_as(module, conv, 0.5)


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
    norm_act: bool = False,
) -> Cost:
    """Closed-form cost of `CAMConv` for one image."""
    gate = cbam_channel.cost(in_channels, height, width, reduction=reduction, variant="paper")
    conv = conv_cost(
        "camconv",
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


_KEYS = {"mlp.0.": "gate.reduce.", "mlp.2.": "gate.expand.", "conv.0.": "conv."}

SPEC = Spec(
    name="camconv",
    role=Role.CONV,
    family="conv",
    summary="A convolution of an input whose channels are gated as in CBAM, without spatial attention.",
    build=CAMConv,
    maths=(
        "MLP(z) = W₂ relu(W₁ z), shared",
        "M = σ(MLP(mean over H×W of x) + MLP(max over H×W of x))",
        "y = conv(x · M)",
    ),
    paper=rfaconv.SPEC.paper,
    official=(
        Official(
            source="Liuchen1997/RFAConv:classification/CAMresnet.py:CAMConv",
            licence="none",
            build=lambda channel, out_channel, kernel_size, stride, reduction=16, spatial_kernel=7: CAMConv(
                channel, out_channel, kernel_size, stride, reduction=reduction
            ),
            keys=_KEYS,
        ),
        Official(
            source="Liuchen1997/RFAConv:Detection/YOLOv5/models/common.py:CAMConv",
            licence="none",
            build=lambda channel, out_channel, kernel_size, stride, reduction=16, spatial_kernel=7: CAMConv(
                channel, out_channel, kernel_size, stride, reduction=reduction, norm_act=True
            ),
            keys={**_KEYS, "conv.1.": "norm."},
        ),
        rfaconv_block("CAMresnet.py", CAMConv, _KEYS),
    ),
    options={
        "reduction": "r, the hidden layer has max(1, C // r) units",
        "norm_act": "batch norm and ReLU behind the convolution",
    },
    default_reason=(
        "r = 16 as in the authors' code. The convolution's host brings its own norm and activation, as in their "
        "classification networks."
    ),
    differs=(
        "The RFAConv article has it as a baseline: CBAM's channel gate, whose paper puts it behind a convolution.",
        "CBAM's own code has biases in the two layers, the authors' CAMConv has none.",
        "The authors' constructor takes a `spatial_kernel` that has no effect.",
        "The authors' YOLO code adds batch norm and ReLU (`norm_act`), their classification code does not.",
        "Below r channels the authors' code has an empty hidden layer; here it keeps one unit.",
    ),
    cost=cost,
    from_conv=from_conv,
)
