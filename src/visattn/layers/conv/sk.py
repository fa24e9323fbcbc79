"""SK: selective kernel convolution, a choice per channel between branches of different receptive fields.

Paper: Li et al., Selective Kernel Networks, CVPR 2019, arXiv:1903.06586, eq. 1-6.
"""

from collections import OrderedDict
from math import gcd
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_multiple, require_odd, require_positive
from visattn.core.errors import ConfigError
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.conv.geometry import Geometry, Size, read_geometry
from visattn.layers.hosts.bottleneck import Bottleneck

Variant = Literal["official", "insight"]


class SK(nn.Module):
    """Weighted sum of convolution branches, with a softmax over the branches for every channel.

    `U_i = relu(BN(conv_i(x)))`, `z = relu(BN(W mean(Σ_i U_i)))`, `a_i = softmax_i(A_i z)` and `y = Σ_i a_i · U_i`
    (Li et al., eq. 1-6). What distinguishes the branches is the variant.
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`. Cost per image: that of the M convolutions and
    (M + 1)·out·d MACs.

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: k, odd.
        stride: As in `nn.Conv2d`.
        padding: As in `nn.Conv2d`; `kernel_size // 2` by default.
        dilation: Of the first branch.
        groups: As in `nn.Conv2d`; 32 in the paper's networks.
        bias: Has no effect: batch norm follows each branch.
        variant: "official" has M branches of growing dilation, "insight" an ordinary and a grouped one.
        branches: M.
        reduction: r; the hidden layer has `d = max(out // r, L)` units.
        min_hidden: L; by default that of the variant, 32 in "official" and 1 in "insight".

    Raises:
        ShapeError: A size is below 1, `kernel_size` is even, or the channels are no multiples of `groups`.
        ConfigError: `variant` is unknown, or "insight" is to have other than 2 branches.

    >>> SK(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
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
        branches: int = 2,
        reduction: int = 16,
        min_hidden: int | None = None,
    ) -> None:
        super().__init__()
        require_positive("sk", in_channels=in_channels, out_channels=out_channels, groups=groups)
        require_positive("sk", branches=branches, reduction=reduction)
        require_multiple("sk", "groups", groups, in_channels=in_channels, out_channels=out_channels)
        require_choice("sk", get_args(Variant), variant=variant)
        if variant == "insight" and branches != 2:
            raise ConfigError(
                f"sk got branches={branches} with variant='insight', expected 2", hint="pass variant='official'"
            )
        geometry = _geometry(kernel_size, stride, padding, dilation)
        hidden = _hidden(out_channels, reduction, min_hidden, variant)
        self.convs = nn.ModuleList(
            nn.Conv2d(
                in_channels,
                out_channels,
                field.kernel_size,
                field.stride,
                field.padding,
                field.dilation,
                split,
                bias=False,
            )
            for field, split in _branches(in_channels, out_channels, geometry, groups, branches, variant)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(out_channels) for _ in self.convs)
        self.reduce = nn.Linear(out_channels, hidden, bias=False)
        self.norm = nn.BatchNorm1d(hidden)
        self.expand = nn.Linear(hidden, branches * out_channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted sum of the branches."""
        maps = torch.stack([norm(conv(x)).relu() for conv, norm in zip(self.convs, self.norms, strict=True)], dim=1)
        hidden = self.norm(self.reduce(maps.sum(dim=1).mean(dim=(2, 3)))).relu()
        weights: Tensor = self.expand(hidden).reshape(maps.shape[:3]).softmax(dim=1)
        return (maps * weights[..., None, None]).sum(dim=1)


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size) -> Geometry:
    geometry = read_geometry("sk", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=1)
    require_odd("sk", kernel_size=geometry.kernel_size)
    return geometry


def _hidden(channels: int, reduction: int, min_hidden: int | None, variant: Variant) -> int:
    if min_hidden is None:
        min_hidden = 32 if variant == "official" else 1
    require_positive("sk", min_hidden=min_hidden)
    return max(channels // reduction, min_hidden)


def _branches(
    in_channels: int, out_channels: int, geometry: Geometry, groups: int, branches: int, variant: Variant
) -> list[tuple[Geometry, int]]:
    """Return place and groups of each branch's convolution; all have outputs of one size."""
    if variant == "insight":
        return [(geometry, groups), (geometry, gcd(32, in_channels, out_channels))]
    radius = geometry.kernel_size // 2
    fields = []
    for times in range(1, branches + 1):
        wider = (times - 1) * geometry.dilation
        fields.append(
            Geometry(
                kernel_size=geometry.kernel_size,
                stride=geometry.stride,
                padding=geometry.padding + wider * radius,
                dilation=geometry.dilation + wider,
            )
        )
    return [(field, groups) for field in fields]


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
    branches: int = 2,
    reduction: int = 16,
    min_hidden: int | None = None,
) -> Cost:
    """Closed-form cost of `SK` for one image."""
    geometry = _geometry(kernel_size, stride, padding, dilation)
    rows, columns = geometry.output_size(height, width)
    hidden = _hidden(out_channels, reduction, min_hidden, variant)
    weights = sum(
        in_channels // split * out_channels * field.kernel_size**2
        for field, split in _branches(in_channels, out_channels, geometry, groups, branches, variant)
    )
    gate = (branches + 1) * out_channels * hidden
    return Cost(params=weights + 2 * branches * out_channels + gate + 2 * hidden, macs=weights * rows * columns + gate)


def _caffe_unit(
    unit: str, channels: int, hidden: int, groups: int, out_channels: int | None = None, in_channels: int = 0
) -> nn.Module:
    stage, _, number = unit.removeprefix("conv").partition("_")
    stride = 2 if int(stage) > 2 and number == "1" else 1
    # a reduction by all channels leaves the hidden layer to min_hidden
    middle = SK(channels, channels, 3, stride, groups=groups, reduction=channels, min_hidden=hidden)
    if out_channels is None:
        return nn.Sequential(OrderedDict(middle=middle))
    return Bottleneck(middle, in_channels, channels, out_channels, stride=stride, project=number == "1")


def _insight_bottleneck(inplanes: int, planes: int, stride: int = 1, downsample: object = None) -> Bottleneck:
    middle = SK(planes, planes, 3, stride, variant="insight")
    return Bottleneck(middle, inplanes, planes, 4 * planes, stride=stride, project=downsample is not None)


_CAFFE = {
    "1x1_reduce.": "conv1.",
    "1x1_reduce/bn.": "norm1.",
    "3x3g32.": "middle.convs.0.",
    "3x3g32/bn.": "middle.norms.0.",
    "3x3g32d2.": "middle.convs.1.",
    "3x3g32d2/bn.": "middle.norms.1.",
    "B_fc1.": "middle.reduce.",
    "B_fc1/bn.": "middle.norm.",
    "B_fc2.": "middle.expand.",
    "1x1_increase.": "conv3.",
    "1x1_increase/bn.": "norm3.",
    "1x1_proj.": "shortcut.0.",
    "1x1_proj/bn.": "shortcut.1.",
}
_INSIGHT = {
    "conv2.": "convs.0.",
    "bn2.": "norms.0.",
    "conv2g.": "convs.1.",
    "bn2g.": "norms.1.",
    "conv_fc1.": "reduce.",
    "bn_fc1.": "norm.",
    "conv_fc2.": "expand.",
}

SPEC = Spec(
    name="sk",
    role=Role.CONV,
    family="conv",
    summary="Convolutions of different receptive fields, mixed channel by channel by a softmax over the branches.",
    build=SK,
    maths=(
        "U_i = relu(BN(3×3 convolution of dilation i of x)), i = 1..M",
        "z = relu(BN(W · mean over H×W of Σ_i U_i)), max(C / r, L) units",
        "a_i[c] = softmax over i of (A_i z)[c]",
        "y = Σ_i a_i · U_i",
    ),
    paper=Paper(
        title="Selective Kernel Networks",
        authors="Li, Wang, Hu, Yang",
        venue="CVPR",
        year=2019,
        arxiv="1903.06586",
    ),
    official=(
        *(
            Official(
                source=f"implus/SKNet:models/sknet50.prototxt:layers {unit}*",
                licence="none",
                build=_caffe_unit,
                keys=_CAFFE,
                sizes={"in_channels": ("1x1_reduce.weight", 1)},
            )
            for unit in ("conv2_1", "conv3_1")
        ),
        Official(
            source="implus/PytorchInsight:classification/models/imagenet/resnet_sk.py:"
            "Bottleneck (part between conv1/bn1/relu and conv3)",
            licence="none",
            build=lambda planes, stride=1: SK(planes, planes, 3, stride, variant="insight"),
            keys=_INSIGHT,
        ),
        Official(
            source="implus/PytorchInsight:classification/models/imagenet/resnet_sk.py:Bottleneck",
            licence="none",
            build=_insight_bottleneck,
            keys={
                **{theirs: f"middle.{ours}" for theirs, ours in _INSIGHT.items()},
                "conv1.": "conv1.",
                "bn1.": "norm1.",
                "conv3.": "conv3.",
                "bn3.": "norm3.",
                "downsample.": "shortcut.",
            },
        ),
    ),
    options={
        "variant": "what distinguishes the branches",
        "branches": "M, the number of branches",
        "reduction": "r, the hidden layer has max(C // r, L) units",
        "min_hidden": "L; by default 32 in variant 'official' and 1 in 'insight'",
    },
    variants={
        "official": "3×3 convolutions of dilation 1, 2, ... M, as in the paper and the authors' Caffe networks",
        "insight": "an ordinary and a 32-fold grouped 3×3 convolution, as in the author's PyTorch SK-ResNet",
    },
    default_reason=(
        "Two branches, r = 16 and L = 32 as in the paper's SKNets, whose 32 groups come from the replaced convolution."
    ),
    differs=(
        "The paper's 5×5 branch is a 3×3 convolution of dilation 2.",
        "The layer that makes the logits has no bias; popular copies have one linear layer with bias per branch.",
        "Popular copies also use kernels 1, 3, 5 and 7 without dilation or groups, drop batch norm and ReLU from the "
        "hidden layer, or take the softmax over the wrong dimension.",
        "The published 101-layer network has 16 hidden units instead of 32 in its second stage, against its own rule.",
        "Every branch has batch norm and ReLU, and nothing follows their sum; the host's own norm comes on top.",
        "The hidden layer's batch norm cannot be trained on a batch of one image.",
    ),
    cost=cost,
)
