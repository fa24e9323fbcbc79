"""RFCAConv: a convolution over receptive-field features that coordinate attention gates.

Paper: Zhang et al., RFAConv: Innovating Spatial Attention and Standard Convolutional Operation, arXiv:2304.03198.
"""

from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.conv import rfaconv
from visattn.layers.conv.geometry import Geometry, Size, read_geometry
from visattn.layers.conv.receptive_field import ReceptiveField
from visattn.layers.hosts.basic_block import rfaconv_block
from visattn.layers.mixed import coordatt
from visattn.layers.mixed.coordatt import CoordAtt


class RFCAConv(nn.Module):
    """Convolution over receptive-field features, with coordinate attention on their k times larger map.

    `f` are the k² features of each pixel, laid out side by side (`ReceptiveField`);
    `y = conv_k×k,stride k(CoordAtt(f))`, so rows and columns of taps have gates of their own.
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`.
    Cost per image: k²·C·(out + k²)·H'·W' + 2·k·C·hidden·(H' + W') MACs.

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: k.
        stride: As in `nn.Conv2d`.
        padding: As in `nn.Conv2d`; `kernel_size // 2` by default.
        dilation: As in `nn.Conv2d`.
        groups: Must be 1.
        bias: Bias of the last convolution.
        reduction: r; the bottleneck of the attention has `max(8, C // r)` units.

    Raises:
        ShapeError: A size is below 1, or a pair holds two numbers.
        ConfigError: `groups` is not 1.

    >>> import torch
    >>> RFCAConv(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
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
        reduction: int = 32,
    ) -> None:
        super().__init__()
        require_positive("rfcaconv", in_channels=in_channels, out_channels=out_channels, reduction=reduction)
        geometry = _geometry(kernel_size, stride, padding, dilation, groups)
        size = geometry.kernel_size
        self.field = ReceptiveField(in_channels, geometry)
        self.gate = CoordAtt(in_channels, reduction=reduction)
        self.project = nn.Conv2d(in_channels, out_channels, size, stride=size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of the gated receptive field of `x`."""
        y: Tensor = self.project(self.gate(self.field(x)))
        return y


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size, groups: int) -> Geometry:
    return read_geometry(
        "rfcaconv", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=groups
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
    reduction: int = 32,
) -> Cost:
    """Closed-form cost of `RFCAConv` for one image."""
    geometry = _geometry(kernel_size, stride, padding, dilation, groups)
    rows, columns = geometry.output_size(height, width)
    size = geometry.kernel_size
    taps = size**2
    gate = coordatt.cost(in_channels, size * rows, size * columns, reduction=reduction)
    return Cost(
        params=in_channels * taps * (taps + 2 + out_channels) + gate.params + out_channels * bias,
        macs=in_channels * taps * (taps + out_channels) * rows * columns + gate.macs,
    )


_KEYS = {
    "generate.0.": "field.features.",
    "generate.1.": "field.norm.",
    "conv1.": "gate.reduce.",
    "bn1.": "gate.norm.",
    "conv_h.": "gate.expand_h.",
    "conv_w.": "gate.expand_w.",
    "conv.0.": "project.",
}

SPEC = Spec(
    name="rfcaconv",
    role=Role.CONV,
    family="conv",
    summary="A convolution over k² learned features per channel and pixel, gated along rows and columns of taps.",
    build=RFCAConv,
    maths=(
        "f[c] = the k² maps relu(BN(k×k depth-wise convolution of x[c])), laid out on a k times larger map",
        "g = hswish(BN(W₁ [mean over kW' of f; mean over kH' of f] + b₁)), along k(H' + W') positions",
        "y = k×k convolution of stride k of f · σ(W_h g[:kH'] + b_h) · σ(W_w g[kH':] + b_w)",
    ),
    paper=rfaconv.SPEC.paper,
    official=(
        *(
            Official(
                source=f"Liuchen1997/RFAConv:{file}:RFCAConv",
                licence="none",
                build=lambda inp, oup, kernel_size, stride, reduction=32: RFCAConv(
                    inp, oup, kernel_size, stride, reduction=reduction
                ),
                keys=_KEYS,
            )
            for file in ("classification/RFCAresnet.py", "model.py")
        ),
        rfaconv_block("RFCAresnet.py", RFCAConv, _KEYS),
    ),
    options={"reduction": "r, the bottleneck of the attention has max(8, C // r) units"},
    default_reason="r = 32 as in the authors' code, which is that of coordinate attention.",
    differs=(
        "The authors' YOLO code has no batch norm and ReLU behind this convolution, unlike behind its others.",
        "The blocks of the authors' classification networks call a class that is not there.",
        "The attention starts with the initialisation of coordinate attention, weights normal with variance 2 / "
        "outputs and biases 0, as the authors' ResNets draw them.",
    ),
    cost=cost,
)
