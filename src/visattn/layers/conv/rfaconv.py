"""RFAConv: a convolution whose taps are re-weighted at every position by attention over the receptive field.

Paper: Zhang et al., RFAConv: Innovating Spatial Attention and Standard Convolutional Operation, arXiv:2304.03198.
"""

from typing import Literal, get_args

from torch import Tensor, nn

from visattn.core.checks import require_choice, require_odd, require_positive
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.conv.geometry import Geometry, Size, read_geometry, require_no_dilation
from visattn.layers.hosts.basic_block import rfaconv_block

Variant = Literal["group", "unfold"]


class GroupField(nn.Module):
    """Receptive-field features of learned depth-wise filters, weighted by a softmax over the k² taps.

    `softmax_p(g[c,p] · mean_c) · relu(BN(f[c,p] ⋆ x_c))`, with the mean over the k×k patch, padding included.
    Shapes: (B, C, H, W) → (B, C·k², H', W'), the taps of one channel next to each other.
    """

    def __init__(self, channels: int, geometry: Geometry) -> None:
        super().__init__()
        size, stride, padding = geometry.kernel_size, geometry.stride, geometry.padding
        taps = size**2
        self.pool = nn.AvgPool2d(size, stride, padding)
        self.attention = nn.Conv2d(channels, channels * taps, 1, groups=channels, bias=False)
        self.features = nn.Conv2d(channels, channels * taps, size, stride, padding, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels * taps)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted features."""
        return _weighted(self.norm(self.features(x)).relu(), self.attention(self.pool(x)), x.shape[1])


class UnfoldField(nn.Module):
    """The patches themselves, weighted by a softmax over the k² taps that sees the whole patch.

    `softmax_p(BN(Σ_q g[c,p,q] · patch[c,q] + b[c,p])) · patch[c,p]`; the sum over q is a k×k depth-wise convolution.
    Shapes: (B, C, H, W) → (B, C·k², H', W'), the taps of one channel next to each other.
    """

    def __init__(self, channels: int, geometry: Geometry) -> None:
        super().__init__()
        size, stride, padding = geometry.kernel_size, geometry.stride, geometry.padding
        self.unfold = nn.Unfold(size, padding=padding, stride=stride)
        self.attention = nn.Conv2d(channels, channels * size**2, size, stride, padding, groups=channels)
        self.norm = nn.BatchNorm2d(channels * size**2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted patches."""
        logits = self.norm(self.attention(x))
        return _weighted(self.unfold(x).reshape(logits.shape), logits, x.shape[1])


def _weighted(features: Tensor, logits: Tensor, channels: int) -> Tensor:
    taps = (logits.shape[0], channels, -1, *logits.shape[2:])
    return (features.reshape(taps) * logits.reshape(taps).softmax(dim=2)).flatten(1, 2)


class RFAConv(nn.Module):
    """Convolution over a receptive field whose k² taps are attended to, channel by channel.

    The weighted field of k²·C channels goes through a 1×1 convolution. The papers' code spreads it over a k times
    larger map and applies a k×k convolution of stride k: the same product, with the same weights.
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`.
    Cost per image: k²·C·(out + k² + 1)·H'·W' MACs ("group"), k²·C·(out + k²)·H'·W' ("unfold").

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: k, odd.
        stride: As in `nn.Conv2d`.
        padding: At most `kernel_size // 2`, which is the default.
        dilation: Must be 1.
        groups: Must be 1.
        bias: Bias of the last convolution.
        variant: "group" is `GroupField`, "unfold" is `UnfoldField`.
        norm_act: Batch norm and ReLU behind the last convolution.

    Raises:
        ShapeError: A size is below 1, `kernel_size` is even, or `padding` is above `kernel_size // 2`.
        ConfigError: `variant` is unknown, or `dilation` or `groups` is not 1.

    >>> import torch
    >>> RFAConv(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
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
        variant: Variant = "group",
        norm_act: bool = False,
    ) -> None:
        super().__init__()
        require_positive("rfaconv", in_channels=in_channels, out_channels=out_channels)
        require_choice("rfaconv", get_args(Variant), variant=variant)
        geometry = _geometry(kernel_size, stride, padding, dilation, groups)
        self.field = (GroupField if variant == "group" else UnfoldField)(in_channels, geometry)
        self.project = nn.Conv2d(in_channels * geometry.kernel_size**2, out_channels, 1, bias=bias)
        self.norm = nn.BatchNorm2d(out_channels) if norm_act else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of the weighted receptive field of `x`."""
        y: Tensor = self.project(self.field(x))
        return y if self.norm is None else nn.functional.relu(self.norm(y))


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size, groups: int) -> Geometry:
    geometry = read_geometry(
        "rfaconv", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    require_odd("rfaconv", kernel_size=geometry.kernel_size)
    require_no_dilation("rfaconv", geometry)
    if geometry.padding > geometry.kernel_size // 2:
        raise ShapeError(
            f"rfaconv got padding={geometry.padding} with kernel_size={geometry.kernel_size}, "
            f"expected at most {geometry.kernel_size // 2}",
            hint="a mean of padding alone gives no attention, pad the input before the layer",
        )
    return geometry


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
    variant: Variant = "group",
    norm_act: bool = False,
) -> Cost:
    """Closed-form cost of `RFAConv` for one image of the given height and width."""
    geometry = _geometry(kernel_size, stride, padding, dilation, groups)
    rows, columns = geometry.output_size(height, width)
    taps = geometry.kernel_size**2
    field = in_channels * taps
    # the logits cost a product per tap in one form, a bias each in the other
    return Cost(
        params=field * (taps + 3 + out_channels) + out_channels * (bias + 2 * norm_act),
        macs=field * (out_channels + taps + (variant == "group")) * rows * columns,
    )


_LICENCE = "none"
_KEYS = {
    "get_weight.1.": "field.attention.",
    "generate_feature.0.": "field.features.",
    "generate_feature.1.": "field.norm.",
    "conv.0.": "project.",
}

SPEC = Spec(
    name="rfaconv",
    role=Role.CONV,
    family="conv",
    summary="A convolution whose k×k taps are re-weighted at every position by attention over the receptive field.",
    build=RFAConv,
    maths=(
        "a[c] = mean of x[c] over the k×k patch, zeros of the padding included",
        "w[c,p] = softmax over the k² taps p of g[c,p] · a[c]",
        "f[c,p] = relu(BN(k×k depth-wise convolution p of x[c]))",
        "y[o] = Σ_{c,p} W[o,c,p] · w[c,p] · f[c,p] + b[o]",
    ),
    paper=Paper(
        title="RFAConv: Innovating Spatial Attention and Standard Convolutional Operation",
        authors="Zhang, Liu, Yang, Song, Ye, Li, Song",
        venue="arXiv",
        year=2023,
        arxiv="2304.03198",
    ),
    official=(
        Official(
            source="Liuchen1997/RFAConv:classification/RFAresnet.py:RFAConv",
            licence=_LICENCE,
            build=lambda in_channel, out_channel, kernel_size, stride=1: RFAConv(
                in_channel, out_channel, kernel_size, stride
            ),
            keys=_KEYS,
        ),
        Official(
            source="Liuchen1997/RFAConv:model.py:RFAConv (1st definition)",
            licence=_LICENCE,
            build=lambda in_channel, out_channel, kernel_size, stride=1: RFAConv(
                in_channel, out_channel, kernel_size, stride, norm_act=True
            ),
            keys={**_KEYS, "conv.1.": "norm."},
        ),
        Official(
            source="Liuchen1997/RFAConv:model.py:RFAConv (2nd definition, wins on import)",
            licence=_LICENCE,
            build=lambda in_channel, out_channel, kernel_size=3: RFAConv(
                in_channel, out_channel, kernel_size, variant="unfold", norm_act=True
            ),
            keys={
                "get_weights.0.": "field.attention.",
                "get_weights.1.": "field.norm.",
                "conv.": "project.",
                "bn.": "norm.",
            },
        ),
        rfaconv_block("RFAresnet.py", RFAConv, _KEYS),
    ),
    options={
        "variant": "how the field is made and attended to",
        "norm_act": "batch norm and ReLU behind the last convolution",
    },
    variants={
        "group": "learned depth-wise features, attention from the mean of the patch",
        "unfold": "the raw patch, attention from all of its pixels: softmax_p(BN(Σ_q g[c,p,q] · patch[c,q] + b[c,p]))",
    },
    default_reason=(
        "All published results use the group form. The convolution's host brings its own norm and activation, as in "
        "the authors' classification code."
    ),
    differs=(
        "The authors' model.py defines RFAConv twice; importing it gives the second, the unfold form without stride.",
        "The authors' model.py and YOLO code add batch norm and ReLU (`norm_act`), their classification code does not.",
        "The paper speaks of interaction of receptive-field features; in the group form the logits of a channel are "
        "multiples of one number, the mean of its patch.",
        "The published FLOPs count batch norm and pooling too; the multiply-adds of RFAConv-ResNet-18 are 1.8739 G.",
    ),
    cost=cost,
)
