"""ACmix: local self-attention and a convolution that share their 1×1 projections.

Paper: Pan et al., On the Integration of Self-Attention and Convolution, CVPR 2022, arXiv:2111.14556, eq. 6-14.
"""

from typing import get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_odd, require_positive
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.conv.attention_forms import Form, build_form, form_cost
from visattn.layers.conv.geometry import Geometry, Size, read_geometry, require_no_dilation
from visattn.layers.conv.shared_convolution import convolve_heads, shifting
from visattn.layers.hosts.bottleneck import Bottleneck


class ACmix(nn.Module):
    """Weighted sum of attention and of a convolution, both from the same q, k and v.

    `y = α·attention(q, k, v) + β·convolution(q, k, v)`, α and β learnable and 0.5 at the start. Attention, unless
    another form is asked for: each pixel attends to the k_a×k_a window around it, mirrored at the border, by
    `softmax_j(q_i · (k_j + p_i − p_j) / √d)`, with a learned linear map p of the coordinates; `p_i` cancels.
    Convolution: a 1×1 map mixes the heads of q, k and v into k² maps per channel of a head, and a grouped k×k
    convolution, which starts as k² shifts, adds them up.
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`; H and W must be above `kernel_attention // 2` where the
    border is mirrored, which "window" and "global" do not do.

    Args:
        in_channels: C.
        out_channels: out, divisible by `heads`.
        kernel_size: k, odd, of the convolution.
        stride: As in `nn.Conv2d`.
        padding: Must be `kernel_size // 2`, which is the default.
        dilation: Must be 1.
        groups: Must be 1.
        bias: Has no effect: q, k and v always have biases, and that of v is one of the result already.
        attention: "local" as above; "window" (`PartitionAttention`), "global" (`GlobalForm`), "patchwise" or "pairwise"
            (`VectorForm`) in its place.
        kernel_attention: k_a, odd; in "window" the size of a window, which may be even.
        heads: Number of heads, of d = out / heads channels each.
        tile: Squares of tile×tile local queries share their keys. The result does not depend on it, speed and MACs do.

    Raises:
        ShapeError: A size is below 1, a kernel size is even, `padding` is another, `out_channels` is not divisible by
            `heads`, or, in forward, the input is too small for the mirrored border.
        ConfigError: `attention` is unknown, or `dilation` or `groups` is not 1.

    >>> ACmix(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
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
        attention: Form = "local",
        kernel_attention: int = 7,
        heads: int = 4,
        tile: int = 4,
    ) -> None:
        super().__init__()
        require_positive("acmix", in_channels=in_channels, out_channels=out_channels, heads=heads, tile=tile)
        require_choice("acmix", get_args(Form), attention=attention)
        (require_positive if attention == "window" else require_odd)("acmix", kernel_attention=kernel_attention)
        geometry = _geometry(kernel_size, stride, padding, dilation, groups)
        if out_channels % heads:
            raise ShapeError(
                f"acmix got out_channels={out_channels} and heads={heads}, expected a multiple of the heads",
                hint="pass another number of heads",
            )
        self.heads = heads
        self.query = nn.Conv2d(in_channels, out_channels, 1)
        self.key = nn.Conv2d(in_channels, out_channels, 1)
        self.value = nn.Conv2d(in_channels, out_channels, 1)
        self.attention = build_form(attention, out_channels, heads, kernel_attention, geometry.stride, tile)
        self.mix = nn.Conv2d(3 * heads, geometry.kernel_size**2, 1, bias=False)
        self.shift = shifting(out_channels, heads, geometry.kernel_size, geometry.stride)
        self.attention_rate = nn.Parameter(torch.full((1,), 0.5))
        self.convolution_rate = nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Return the two paths' weighted sum."""
        q, k, v = self.query(x), self.key(x), self.value(x)
        attended: Tensor = self.attention(q, k, v)
        return self.attention_rate * attended + self.convolution_rate * self.convolve(q, k, v)

    def convolve(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return the convolution path; the channels of the same number in each head are next to each other."""
        return convolve_heads(torch.cat((q, k, v), dim=1), self.heads, self.mix, self.shift)


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size, groups: int) -> Geometry:
    geometry = read_geometry(
        "acmix", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    require_odd("acmix", kernel_size=geometry.kernel_size)
    require_no_dilation("acmix", geometry)
    if geometry.padding != geometry.kernel_size // 2:
        raise ShapeError(
            f"acmix got padding={geometry.padding} with kernel_size={geometry.kernel_size}, "
            f"expected {geometry.kernel_size // 2}",
            hint="attention has one query per pixel, so only the same padding fits",
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
    attention: Form = "local",
    kernel_attention: int = 7,
    heads: int = 4,
    tile: int = 4,
) -> Cost:
    """Closed-form cost of `ACmix` for one image; `tile=1` gives the k_a² products per query that papers count."""
    geometry = _geometry(kernel_size, stride, padding, dilation, groups)
    rows, columns = geometry.output_size(height, width)
    taps, mix = geometry.kernel_size**2, 3 * heads * geometry.kernel_size**2
    projections = 3 * in_channels * out_channels
    attended = form_cost(attention, out_channels, heads, kernel_attention, geometry.stride, tile, height, width)
    return Cost(
        params=projections + 3 * out_channels + attended.params + mix + out_channels * taps**2 + 2,
        macs=(projections + mix * (out_channels // heads)) * height * width
        + attended.macs
        + out_channels * taps**2 * rows * columns,
    )


def _bottleneck(
    inplanes: int,
    planes: int,
    k_att: int,
    head: int,
    k_conv: int,
    stride: int = 1,
    downsample: object = None,
    groups: int = 1,
    base_width: int = 64,
) -> Bottleneck:
    width = int(planes * base_width / 64) * groups
    mixed = ACmix(width, width, k_conv, stride, kernel_attention=k_att, heads=head)
    middle = nn.Sequential(mixed, nn.BatchNorm2d(width), nn.ReLU())
    return Bottleneck(middle, inplanes, width, 4 * planes, stride=stride, project=downsample is not None)


_KEYS = {
    "rate1": "attention_rate",
    "rate2": "convolution_rate",
    "conv1.": "query.",
    "conv2.": "key.",
    "conv3.": "value.",
    "conv_p.": "attention.position.",
    "fc.": "mix.",
    "dep_conv.": "shift.",
}

SPEC = Spec(
    name="acmix",
    role=Role.CONV,
    family="conv",
    summary="Attention, of one of five forms, and a convolution that share their 1×1 projections, added up.",
    build=ACmix,
    maths=(
        "q, k, v = three 1×1 convolutions of x;  p = a linear map of (column, row)",
        "local attention: softmax over the window of q_i · (k_j + p_i − p_j) / √d, applied to v_j, per head",
        "convolution: a 1×1 map mixes the 3·heads maps of q, k and v into k², a grouped k×k convolution adds them up",
        "y = α · attention + β · convolution",
    ),
    paper=Paper(
        title="On the Integration of Self-Attention and Convolution",
        authors="Pan, Ge, Lu, Song, Chen, Huang, Huang",
        venue="CVPR",
        year=2022,
        arxiv="2111.14556",
    ),
    official=(
        Official(
            source="LeapLabTHU/ACmix:ResNet/test_bottleneck.py:ACmix",
            licence="none",
            build=lambda in_planes, out_planes, kernel_att=7, head=4, kernel_conv=3, stride=1, dilation=1: ACmix(
                in_planes,
                out_planes,
                kernel_conv,
                stride,
                dilation=dilation,
                kernel_attention=kernel_att,
                heads=head,
            ),
            keys=_KEYS,
        ),
        Official(
            source="LeapLabTHU/ACmix:ResNet/ResNet_ImageNet.py:Bottleneck",
            licence="none",
            build=_bottleneck,
            keys={
                **{f"conv2.{theirs}": f"middle.0.{ours}" for theirs, ours in _KEYS.items()},
                "conv1.": "conv1.",
                "bn1.": "norm1.",
                "bn2.": "middle.1.",
                "conv3.": "conv3.",
                "bn3.": "norm3.",
                "downsample.": "shortcut.",
            },
        ),
    ),
    options={
        "attention": "what a pixel attends to, and from what its weights are made",
        "kernel_attention": "height and width of the attention window, odd but in form 'window'",
        "heads": "number of heads; the output's channels are a multiple of it",
        "tile": "tile×tile local queries share their keys: changes speed and MACs, not the result",
    },
    default_reason="Local attention, a 7×7 window, 4 heads and rates of 0.5, as in the authors' ResNets.",
    differs=(
        "The article names patch-wise, window and global attention as other forms of the attention path; of these the "
        "authors published window attention, see acmix_swin. Pair-wise attention is that of SAN, as is the patch-wise "
        "function here.",
        "The paper keeps the shift initialisation; the authors' ResNet draws all its convolutions anew and loses it.",
        "The paper does not say that the last convolution has no bias; in the code it is set to None.",
        "The position of the query and the bias of the position map cancel in the softmax; the bias is kept for the "
        "published weights.",
        "The authors' code fails at odd sizes with stride 2; here queries sit at every second pixel, as the "
        "convolution's outputs do.",
        "Its position map is float32 and on the first GPU; here it follows the input.",
        "`bias` has no effect: q, k and v have biases in the published networks, whose other convolutions have none.",
        "The published counts have k_a² products per query (`tile=1`); a tile of 4 makes about twice as many.",
    ),
    cost=cost,
    minimum_size=4,
)
