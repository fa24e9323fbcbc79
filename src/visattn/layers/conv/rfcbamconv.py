"""RFCBAMConv: a convolution over receptive-field features that are gated by channel and by position.

Paper: Zhang et al., RFAConv: Innovating Spatial Attention and Standard Convolutional Operation, arXiv:2304.03198.
"""

from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.conv import rfaconv
from visattn.layers.conv.geometry import Geometry, Size, read_geometry
from visattn.layers.conv.receptive_field import ReceptiveField
from visattn.layers.hosts.basic_block import rfaconv_block
from visattn.layers.spatial.cbam_spatial import CBAMSpatial


class RFCBAMConv(nn.Module):
    """Convolution over receptive-field features, with a gate per channel and a gate per position and tap.

    `f` are the k² features of each pixel, laid out on a k times larger map (`ReceptiveField`);
    `y = conv_k×k,stride k(f · σ(W₂ relu(W₁ mean x)) · σ(conv_3×3([max_c f; mean_c f])))`.
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`.
    Cost per image: k²·(C·(out + k²) + 18)·H'·W' + 2·C·hidden MACs.

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: k.
        stride: As in `nn.Conv2d`.
        padding: As in `nn.Conv2d`; `kernel_size // 2` by default.
        dilation: As in `nn.Conv2d`.
        groups: Must be 1.
        bias: Bias of the last convolution.
        hidden: Units between W₁ and W₂, for any number of channels.
        norm_act: Batch norm and ReLU behind the last convolution.

    Raises:
        ShapeError: A size is below 1, or a pair holds two numbers.
        ConfigError: `groups` is not 1.

    >>> import torch
    >>> RFCBAMConv(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
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
        hidden: int = 16,
        norm_act: bool = False,
    ) -> None:
        super().__init__()
        require_positive("rfcbamconv", in_channels=in_channels, out_channels=out_channels, hidden=hidden)
        geometry = _geometry(kernel_size, stride, padding, dilation, groups)
        size = geometry.kernel_size
        self.field = ReceptiveField(in_channels, geometry)
        self.reduce = nn.Linear(in_channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, in_channels, bias=False)
        self.spatial = CBAMSpatial(in_channels, kernel_size=3, variant="paper")
        self.project = nn.Conv2d(in_channels, out_channels, size, stride=size, bias=bias)
        self.norm = nn.BatchNorm2d(out_channels) if norm_act else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of the gated receptive field of `x`."""
        channel: Tensor = self.expand(self.reduce(x.mean(dim=(2, 3))).relu()).sigmoid()
        features = self.field(x)
        y: Tensor = self.project(features * channel[:, :, None, None] * self.spatial.gate(features))
        return y if self.norm is None else nn.functional.relu(self.norm(y))


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size, groups: int) -> Geometry:
    return read_geometry(
        "rfcbamconv", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=groups
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
    hidden: int = 16,
    norm_act: bool = False,
) -> Cost:
    """Closed-form cost of `RFCBAMConv` for one image."""
    geometry = _geometry(kernel_size, stride, padding, dilation, groups)
    rows, columns = geometry.output_size(height, width)
    taps = geometry.kernel_size**2
    gate = 2 * in_channels * hidden
    return Cost(
        params=in_channels * taps * (taps + 2 + out_channels) + gate + 18 + out_channels * (bias + 2 * norm_act),
        macs=taps * (in_channels * (taps + out_channels) + 18) * rows * columns + gate,
    )


_KEYS = {
    "generate.0.": "field.features.",
    "generate.1.": "field.norm.",
    "get_weight.0.": "spatial.conv.",
    "se.fc.0.": "reduce.",
    "se.fc.2.": "expand.",
    "conv.0.": "project.",
}

SPEC = Spec(
    name="rfcbamconv",
    role=Role.CONV,
    family="conv",
    summary="A convolution over k² learned features per channel and pixel, gated by channel and by position.",
    build=RFCBAMConv,
    maths=(
        "f[c] = the k² maps relu(BN(k×k depth-wise convolution of x[c])), laid out on a k times larger map",
        "M_c = σ(W₂ relu(W₁ mean over H×W of x))",
        "M_s = σ(conv_3×3([max over C of f; mean over C of f])), no bias",
        "y = k×k convolution of stride k of f · M_c · M_s",
    ),
    paper=rfaconv.SPEC.paper,
    official=(
        Official(
            source="Liuchen1997/RFAConv:classification/RFCBAMresnet.py:RFCBAMConv",
            licence="none",
            build=lambda in_channel, out_channel, kernel_size=3, stride=1, dilation=1: RFCBAMConv(
                in_channel, out_channel, kernel_size, stride, dilation=dilation
            ),
            keys=_KEYS,
        ),
        Official(
            source="Liuchen1997/RFAConv:model.py:RFCBAMConv",
            licence="none",
            # the authors' class takes a dilation and leaves it alone
            build=lambda in_channel, out_channel, kernel_size=3, stride=1, dilation=1: RFCBAMConv(
                in_channel, out_channel, kernel_size, stride, norm_act=True
            ),
            keys={**_KEYS, "conv.1.": "norm."},
        ),
        rfaconv_block("RFCBAMresnet.py", RFCBAMConv, _KEYS),
    ),
    options={
        "hidden": "units in the bottleneck of the channel gate",
        "norm_act": "batch norm and ReLU behind the last convolution",
    },
    default_reason=(
        "Sixteen hidden units for any width, as in the authors' code, and a 3×3 spatial kernel. The convolution's host "
        "brings its own norm and activation, as in their classification networks."
    ),
    differs=(
        "In the authors' code the reduction ratio 16 is the number of hidden units, whatever the width; its comment "
        "says C / r.",
        "The channel gate is SE on the input, not CBAM's channel gate on the features.",
        "Both gates see features without gates, so their order does not matter, unlike CBAM's.",
        "The authors' model.py and YOLO code misspell nn.ReLU and raise; the blocks of their classification networks "
        "call a class that is not there.",
        "They add batch norm and ReLU (`norm_act`) and ignore `dilation`; the classification code does neither.",
    ),
    cost=cost,
)
