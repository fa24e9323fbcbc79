"""SAN: self-attention whose weights are vectors, from pairs of pixels or from the whole patch.

Paper: Zhao et al., Exploring Self-attention for Image Recognition, CVPR 2020, arXiv:2004.13621, eq. 2-7.
"""

from dataclasses import replace
from typing import Literal, get_args

from torch import Tensor, nn

from visattn.core.checks import require_choice, require_odd, require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.conv.geometry import Geometry, Size, read_geometry
from visattn.layers.conv.neighbourhood import neighbours, require_mirror, require_same_padding
from visattn.layers.conv.vector_attention import PairwiseWeights, PatchwiseWeights, weighted_sum
from visattn.layers.hosts.preactivation_block import PreactivationBlock

Variant = Literal["patchwise", "pairwise"]


class SAN(nn.Module):
    """Sum over the k×k neighbourhood of each pixel with learned weights, one per group of channels.

    `y_i = Σ_j α_ij ⊙ (W_v x_j + b_v)`, `α_i` from `PatchwiseWeights` or `PairwiseWeights` of `W_q x + b_q` and
    `W_k x + b_k`, which have R channels. Channel c takes the weights of group c mod G; the border is mirrored.
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`; H and W must be above `dilation · (kernel_size // 2)`.

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: k, odd.
        stride: As in `nn.Conv2d`.
        padding: Must be `dilation · (kernel_size // 2)`, which is the default.
        dilation: As in `nn.Conv2d`.
        groups: Must be 1.
        bias: Has no effect: all three linear maps have biases.
        variant: "patchwise" or "pairwise".
        relation: R; `max(1, out // 4)` by default.
        share: Channels that share their weights; G is the largest divisor of out that is at most `out // share`.

    Raises:
        ShapeError: A size is below 1, `kernel_size` is even, `padding` is another, or, in forward, the input is too
            small for the neighbourhood.
        ConfigError: `variant` is unknown, or `groups` is not 1.

    >>> import torch
    >>> SAN(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
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
        variant: Variant = "patchwise",
        relation: int | None = None,
        share: int = 8,
    ) -> None:
        super().__init__()
        require_positive("san", in_channels=in_channels, out_channels=out_channels, share=share)
        require_choice("san", get_args(Variant), variant=variant)
        geometry = _geometry(kernel_size, stride, padding, dilation, groups)
        relation = _relation(out_channels, relation)
        self.geometry = geometry
        self.query = nn.Conv2d(in_channels, relation, 1)
        self.key = nn.Conv2d(in_channels, relation, 1)
        self.value = nn.Conv2d(in_channels, out_channels, 1)
        weights = PatchwiseWeights if variant == "patchwise" else PairwiseWeights
        self.weights = weights(relation, _weight_groups(out_channels, share), geometry)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted sum over each pixel's neighbourhood."""
        require_mirror("san", x, self.geometry)
        step = self.geometry.stride
        q: Tensor = self.query(x[:, :, ::step, ::step])
        y = weighted_sum(self.weights(q, self.key(x)), neighbours(self.value(x), self.geometry))
        return y.reshape(len(x), -1, *q.shape[2:])


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size, groups: int) -> Geometry:
    geometry = read_geometry(
        "san", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    require_odd("san", kernel_size=geometry.kernel_size)
    if padding is None:
        geometry = replace(geometry, padding=geometry.dilation * (geometry.kernel_size // 2))
    require_same_padding("san", geometry)
    return geometry


def _relation(channels: int, relation: int | None) -> int:
    if relation is None:
        return max(1, channels // 4)
    require_positive("san", relation=relation)
    return relation


def _weight_groups(channels: int, share: int) -> int:
    return next(groups for groups in range(max(1, channels // share), 0, -1) if channels % groups == 0)


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
    variant: Variant = "patchwise",
    relation: int | None = None,
    share: int = 8,
) -> Cost:
    """Closed-form cost of `SAN` for one image."""
    geometry = _geometry(kernel_size, stride, padding, dilation, groups)
    rows, columns = geometry.output_size(height, width)
    pixels, queries, taps = height * width, rows * columns, geometry.kernel_size**2
    depth, shared = _relation(out_channels, relation), _weight_groups(out_channels, share)
    if variant == "patchwise":
        position, inputs, hidden, outputs = 0, depth * (taps + 1), shared, shared * taps
    else:
        # the mapping works on every pair, so its products are counted taps times
        position, inputs, hidden, outputs = 4, depth + 2, depth, shared
    mapping = inputs * hidden + hidden * outputs
    projections = in_channels * (2 * depth + out_channels)
    times = 1 if variant == "patchwise" else taps
    return Cost(
        params=projections + 2 * depth + out_channels + position * 3 // 2 + 2 * (inputs + hidden) + mapping + outputs,
        macs=in_channels * (depth + out_channels) * pixels
        + position * pixels
        + (in_channels * depth + mapping * times + out_channels * taps) * queries,
    )


_VARIANTS: tuple[Variant, Variant] = ("pairwise", "patchwise")


def _from_sam(
    sa_type: int,
    in_planes: int,
    rel_planes: int,
    out_planes: int,
    share_planes: int,
    kernel_size: int = 3,
    stride: int = 1,
    dilation: int = 1,
) -> SAN:
    return SAN(
        in_planes,
        out_planes,
        kernel_size,
        stride,
        dilation=dilation,
        variant=_VARIANTS[sa_type],
        relation=rel_planes,
        share=share_planes,
    )


def _from_bottleneck(
    sa_type: int,
    in_planes: int,
    rel_planes: int,
    mid_planes: int,
    out_planes: int,
    share_planes: int = 8,
    kernel_size: int = 7,
    stride: int = 1,
) -> PreactivationBlock:
    middle = _from_sam(sa_type, in_planes, rel_planes, mid_planes, share_planes, kernel_size, stride)
    return PreactivationBlock(middle, in_planes, mid_planes)


_KEYS = {
    "conv1.": "query.",
    "conv2.": "key.",
    "conv3.": "value.",
    "conv_w.": "weights.mapping.",
    "conv_p.": "weights.position.",
}

SPEC = Spec(
    name="san",
    role=Role.CONV,
    family="conv",
    summary="A sum over each pixel's neighbourhood whose weights differ between groups of channels.",
    build=SAN,
    maths=(
        "q, k, v = three 1×1 convolutions of x; q and k have R channels",
        "γ = BN, ReLU, linear, BN, ReLU, linear",
        "patchwise: α_i = γ([q_i; k_j for all j in the window around i]), one vector per group and j, no softmax",
        "pairwise: α_ij = softmax over j of γ([q_i − k_j; P p_i − P p_j]), p = (column, row)",
        "y_i[c] = Σ_j α_ij[c mod G] · v_j[c]",
    ),
    paper=Paper(
        title="Exploring Self-attention for Image Recognition",
        authors="Zhao, Jia, Koltun",
        venue="CVPR",
        year=2020,
        arxiv="2004.13621",
    ),
    official=(
        Official(source="hszhao/SAN:model/san.py:SAM", licence="MIT", build=_from_sam, keys=_KEYS),
        Official(
            source="hszhao/SAN:model/san.py:Bottleneck",
            licence="MIT",
            build=_from_bottleneck,
            keys={
                **{f"sam.{theirs}": f"middle.{ours}" for theirs, ours in _KEYS.items()},
                "bn1.": "norm1.",
                "bn2.": "norm2.",
                "conv.": "conv.",
            },
        ),
    ),
    options={
        "variant": "what the weights are computed from",
        "relation": "R, channels of q and k; a quarter of the output's by default",
        "share": "channels that share their weights",
    },
    variants={
        "patchwise": "the pixel and its whole neighbourhood at once; the weights are not normalised",
        "pairwise": "the difference of the pixel and each neighbour, and of their coordinates; softmax over neighbours",
    },
    default_reason=(
        "Patchwise is the stronger form in the paper, and the one that ACmix names; R is a quarter of the output and "
        "eight channels share their weights, as in the authors' networks."
    ),
    differs=(
        "The groups of channels are interleaved: channel c takes weights c mod G.",
        "Of the paper's relations the code has concatenation (patchwise) and subtraction (pairwise).",
        "The authors' patchwise form fails with a stride and mirrors too little with a dilation; here both work.",
        "The authors' kernels need a GPU and CuPy; this form runs anywhere and stores k² values per channel and pixel.",
        "Where out is no multiple of `share`, the authors' code fails or shares unevenly; here G divides out.",
    ),
    cost=cost,
    minimum_size=2,
)
