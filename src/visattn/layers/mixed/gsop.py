"""GSoP: global second-order pooling, gates that are computed from covariance matrices.

Paper: Gao et al., Global Second-order Pooling Convolutional Networks, CVPR 2019, arXiv:1811.12006, section 3.
"""

import math
from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_multiple, require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.hosts.bottleneck import Bottleneck
from visattn.layers.mixed.covariance_gate import (
    GRID,
    ChannelCovariance,
    SpatialCovariance,
    embedding_params,
    published_covariance,
)

Mode = Literal["channel", "spatial", "sum", "max", "concat"]
Variant = Literal["official", "paper"]


class GroupedFusion(nn.Module):
    """Batch norm of the sum of two grouped convolutions along the height: one of a concatenation, as published.

    Shapes: twice (B, C, H, W) → (B, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        groups, size = _fusion(channels)
        self.first = nn.Conv2d(channels, channels, (size, 1), padding=(size // 2, 0), groups=groups)
        self.second = nn.Conv2d(channels, channels, (size, 1), padding=(size // 2, 0), groups=groups)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the fusion of both maps."""
        fused: Tensor = self.norm(self.first(first) + self.second(second))
        return fused


class GSoP(nn.Module):
    """Scale `x` by a gate from the covariance of its channels, of its positions, or by both.

    `c = σ(W RC(BN(cov(u))))` per channel, with `u` the d reduced channels and RC a convolution of its own for each
    row, and likewise `p` per position, from 8×8 cells (Gao et al., section 3).
    "channel": `y = x · c`. "spatial": `y = relu(x · p)`. "sum" and "max": of those two. "concat": batch norm of
    grouped k×1 convolutions over both.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: C·d + d² MACs per position, and 4·d² + 4·d·C.

    Args:
        channels: C.
        mode: "channel", "spatial", "sum", "max" or "concat".
        dim: d.
        stride: Of the positions that the channels' covariance sees; None is 2 up to 256 channels, and 1 above.
        variant: "official" has ReLU behind the row-wise convolution of the spatial gate, nothing there in the channel
            gate, and `published_covariance` in the spatial gate; "paper" has LeakyReLU of slope 0.1 in both, and the
            covariance in both.

    Raises:
        ShapeError: A size is below 1, or "concat" got channels that do not fall into C // 64 groups.
        ConfigError: `mode` or `variant` is unknown.

    >>> GSoP(64, dim=16)(torch.ones(2, 64, 5, 7)).shape
    torch.Size([2, 64, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        *,
        mode: Mode = "channel",
        dim: int = 128,
        stride: int | None = None,
        variant: Variant = "official",
    ) -> None:
        super().__init__()
        stride = _stride(channels) if stride is None else stride
        require_positive("gsop", channels=channels, dim=dim, stride=stride)
        require_choice("gsop", get_args(Mode), mode=mode)
        require_choice("gsop", get_args(Variant), variant=variant)
        self.mode = mode
        self.channel = self.spatial = None
        if mode != "spatial":
            activation = nn.LeakyReLU(0.1) if variant == "paper" else nn.Identity()
            self.channel = ChannelCovariance(channels, dim, stride, activation)
        if mode != "channel":
            self.spatial = (
                SpatialCovariance(channels, dim, nn.LeakyReLU(0.1))
                if variant == "paper"
                else SpatialCovariance(channels, dim, nn.ReLU(), published_covariance)
            )
        self.fuse = GroupedFusion(channels) if mode == "concat" else None
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled by the gates of the mode."""
        scaled: list[Tensor] = []
        if self.channel is not None:
            scaled.append(x * self.channel(x))
        if self.spatial is not None:
            scaled.append((x * self.spatial(x)).relu())
        if len(scaled) == 1:
            return scaled[0]
        if self.fuse is None:
            return torch.add(*scaled) if self.mode == "sum" else torch.maximum(*scaled)
        fused: Tensor = self.fuse(*scaled)
        return fused

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"mode={self.mode!r}"


def _stride(channels: int) -> int:
    return 2 if channels <= 256 else 1


def _fusion(channels: int) -> tuple[int, int]:
    """Return the groups and the kernel height of the convolutions over both results."""
    groups = max(1, channels // 64)
    require_multiple("gsop with mode='concat'", "groups", groups, channels=channels)
    return groups, max(1, 2 * int(math.log2(32 / groups)) + 5)


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    mode: Mode = "channel",
    dim: int = 128,
    stride: int | None = None,
    variant: Variant = "official",
) -> Cost:
    """Closed-form cost of `GSoP` for one image."""
    step, cells = _stride(channels) if stride is None else stride, GRID**2
    positions, seen = height * width, -(-height // step) * -(-width // step)
    params = macs = 0
    if mode != "spatial":
        params += channels * dim + 3 * dim + embedding_params(dim, channels)
        macs += (channels * dim + dim**2) * seen + 4 * dim * (dim + channels)
    if mode != "channel":
        params += channels * dim + 3 * dim + embedding_params(cells, cells)
        macs += channels * dim * positions + cells**2 * dim + 4 * cells * (cells + cells)
    if mode == "concat":
        groups, size = _fusion(channels)
        weights = 2 * channels**2 // groups * size
        params += weights + 4 * channels
        macs += weights * positions
    return Cost(params=params, macs=macs)


_MODES: Mapping[str, Mode] = {"1": "channel", "2": "spatial", "+": "sum", "M": "max", "&": "concat"}


def _official(planes: int, attention: str, att_dim: int) -> GSoP:
    require_choice("gsop", _MODES, attention=attention)
    return GSoP(4 * planes, mode=_MODES[attention], dim=att_dim, stride=1 if planes > 64 else 2)


def _official_bottleneck(
    inplanes: int,
    planes: int,
    stride: int = 1,
    downsample: object = None,
    attention: str = "0",
    att_dim: int = 128,
) -> Bottleneck:
    middle = nn.Sequential(nn.Conv2d(planes, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes), nn.ReLU())
    gate = None if attention == "0" else _official(planes, attention, att_dim)
    return Bottleneck(middle, inplanes, planes, 4 * planes, stride=stride, project=downsample is not None, gate=gate)


def _gate_keys(theirs: str, ours: str) -> dict[str, str]:
    ending = theirs and f"_for{theirs}"
    return {
        f"conv_for_DR{theirs}.": f"{ours}.reduce.",
        f"bn_for_DR{theirs}.": f"{ours}.norm.",
        f"row_bn{ending}.": f"{ours}.embed.norm.",
        f"row_conv_group{ending}.": f"{ours}.embed.rows.",
        f"fc_adapt_channels{ending}.": f"{ours}.embed.expand.",
    }


_KEYS: Mapping[str, str] = {
    **_gate_keys("", "channel"),
    **_gate_keys("_spatial", "spatial"),
    "dilate_conv_for_concat1.": "fuse.first.",
    "dilate_conv_for_concat2.": "fuse.second.",
    "bn_for_concat.": "fuse.norm.",
}
_SOURCE = "ZilinGao/Global-Second-order-Pooling-Convolutional-Networks:torchvision/models/resnet.py:Bottleneck"

SPEC = Spec(
    name="gsop",
    role=Role.GATE,
    family="mixed",
    summary="A gate per channel from the covariance of the channels, or one per position from that of the positions.",
    build=GSoP,
    maths=(
        "u = relu(BN(conv_1×1(relu(x)))), d channels",
        "S = 1/M Σ_i (u_i − ū)(u_i − ū)ᵀ over the M positions i",
        "c = σ(W RC(BN(S))), RC: 4 filters of its own for each row",
        "y = x · c",
        "spatial: u without the second relu, averaged over 8×8 cells; S between the cells, over the d channels; "
        "p = σ(W relu(RC(BN(S)))), one per cell; y = relu(x · p)",
    ),
    paper=Paper(
        title="Global Second-order Pooling Convolutional Networks",
        authors="Gao, Xie, Wang, Li",
        venue="CVPR",
        year=2019,
        arxiv="1811.12006",
    ),
    official=(
        Official(
            source=f"{_SOURCE} (attention part)",
            licence="MIT",
            build=lambda planes, attention, att_dim=128, channels=None: _official(planes, attention, att_dim),
            keys=_KEYS,
        ),
        Official(
            source=_SOURCE,
            licence="MIT",
            build=_official_bottleneck,
            keys={
                "conv1.": "conv1.",
                "bn1.": "norm1.",
                "conv2.": "middle.0.",
                "bn2.": "middle.1.",
                "conv3.": "conv3.",
                "bn3.": "norm3.",
                "downsample.": "shortcut.",
                **{theirs: f"gate.{ours}" for theirs, ours in _KEYS.items()},
            },
        ),
    ),
    options={
        "mode": "'channel', 'spatial', or both: their 'sum', 'max' or 'concat'",
        "dim": "d, channels that the covariance sees",
        "stride": "of the positions that the channels' covariance sees; None is 2 up to 256 channels and 1 above",
        "variant": "'official' or 'paper': the activation behind the row-wise convolution, the spatial matrix",
    },
    variants={
        "official": "the authors' code: no activation behind RC in the channel gate, ReLU in the spatial gate, whose "
        "matrix is U Uᵀ / 64 − s sᵀ / 64², s the sums of U over its d channels",
        "paper": "the paper's text: LeakyReLU of slope 0.1 and the covariance in both gates",
    },
    default_reason=(
        "The channel mode with d = 128 is the authors' default, and the published results come from their code."
    ),
    differs=(
        "The paper has LeakyReLU behind the row-wise convolution; the code has nothing there in the channel gate, and "
        "ReLU in the spatial gate.",
        "The code's spatial matrix divides by the number of cells, 64, where a covariance divides by that of the "
        "channels, d = 128, so it is not centred.",
        "The authors put it into the last block of each stage only, and keep the stride of the last stage at 1.",
        "The spatial gate is spread over the image by adaptive average pooling, which repeats its cells.",
        "The 'concat' mode of the code convolves along the height only; below 64 channels it divides by zero, here one "
        "group is left.",
        "ECA-Net's table has 28.05 M parameters for GSoP-Net1, the released code 28.29 M.",
        "Some copies leave out the centring, the sigmoid or the norm of the rows.",
    ),
    cost=cost,
)
