"""RA-Net's attention module: a trunk of residual units, scaled by one plus a mask from an hourglass beside it.

Paper: Wang et al., Residual Attention Network for Image Classification, CVPR 2017, arXiv:1704.06904, eq. 1 and 3-6.
"""

from typing import Literal, get_args

from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec

Attention = Literal["mixed", "channel", "spatial"]


class ResidualUnit(nn.Module):
    """Add a pre-activation bottleneck to `x`: `x + W₃ δ(W₂ δ(W₁ δ(x)))`, δ batch norm and ReLU, W₂ 3×3, others 1×1.

    Shapes: (B, C, H, W) → same. Cost per image: (2·C·m + 9·m²)·H·W MACs with m = max(1, C // 4).

    >>> import torch
    >>> ResidualUnit(16)(torch.ones(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        middle = max(1, channels // 4)
        self.branch = nn.Sequential(
            *_activated(channels, middle, 1), *_activated(middle, middle, 3), *_activated(middle, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` plus the bottleneck's result."""
        branch: Tensor = self.branch(x)
        return x + branch


def _activated(inputs: int, outputs: int, kernel_size: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight)
    return nn.BatchNorm2d(inputs), nn.ReLU(), conv


class ResidualAttention(nn.Module):
    """Pass `x` through residual units, with a mask from a down-and-up branch that multiplies part of the way.

    `h = U(x)`, `F = U(U(h))`, `M = f(conv(conv(hourglass(h))))`, and `y = U((1 + M) · F)` (Wang et al., eq. 3) with
    residual units U. The hourglass halves its input `depth` times by max pooling, one unit after each and one more at
    the bottom, and comes back by bilinear interpolation, with a unit on every skip connection and after every sum.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: about (4 + depth) units and two C×C products per position.

    Args:
        channels: C.
        depth: How often the mask branch halves its input.
        attention: "mixed" is the sigmoid of each value (eq. 4), "channel" divides by the norm over the channels of a
            position (eq. 5), "spatial" is the sigmoid of each map, standardised (eq. 6).
        residual: False is the paper's naive attention, `y = U(M · F)` (eq. 1).

    Raises:
        ShapeError: `channels` or `depth` is below 1, or the input has a side below 2^depth.
        ConfigError: `attention` is unknown.

    >>> import torch
    >>> ResidualAttention(16, depth=2)(torch.ones(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(self, channels: int, *, depth: int = 1, attention: Attention = "mixed", residual: bool = True) -> None:
        super().__init__()
        require_positive("ranet", channels=channels, depth=depth)
        require_choice("ranet", get_args(Attention), attention=attention)
        self.depth = depth
        self.attention = attention
        self.residual = residual
        self.first = ResidualUnit(channels)
        self.trunk = nn.Sequential(ResidualUnit(channels), ResidualUnit(channels))
        self.down = nn.ModuleList(ResidualUnit(channels) for _ in range(depth))
        self.bottom = ResidualUnit(channels)
        self.skip = nn.ModuleList(ResidualUnit(channels) for _ in range(depth - 1))
        self.up = nn.ModuleList(ResidualUnit(channels) for _ in range(depth - 1))
        self.logits = nn.Sequential(*_activated(channels, channels, 1), *_activated(channels, channels, 1))
        self.last = ResidualUnit(channels)

    def mask(self, h: Tensor) -> Tensor:
        """Return the mask for a trunk that starts with `h`, (B, C, H, W)."""
        levels = [h]
        for unit in self.down:
            # as in Caffe, a window may reach over the edge
            levels.append(unit(nn.functional.max_pool2d(levels[-1], 3, stride=2, ceil_mode=True)))
        up = self.bottom(levels.pop())
        for skip, unit in zip(reversed(self.skip), reversed(self.up), strict=True):
            level = levels.pop()
            up = unit(_resized(up, level) + skip(level))
        logits: Tensor = self.logits(_resized(up, h))
        if self.attention == "channel":
            return nn.functional.normalize(logits, dim=1)
        if self.attention == "spatial":
            logits = nn.functional.instance_norm(logits)
        return logits.sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return the trunk's features under the mask."""
        height, width = x.shape[2:]
        if min(height, width) < 2**self.depth:
            least = f"{2**self.depth}×{2**self.depth}"
            raise ShapeError(
                f"ranet with depth={self.depth} got a {height}×{width} input, expected at least {least}",
                hint="pass a smaller depth",
            )
        h = self.first(x)
        mask = self.mask(h)
        y: Tensor = self.last(self.trunk(h) * (1 + mask if self.residual else mask))
        return y

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"depth={self.depth}, attention={self.attention!r}, residual={self.residual}"


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return nn.functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    depth: int = 1,
    attention: Attention = "mixed",
    residual: bool = True,
) -> Cost:
    """Closed-form cost of `ResidualAttention` for one image."""
    middle = max(1, channels // 4)
    unit = 2 * channels * middle + 9 * middle**2
    unit_norms = 2 * (channels + 2 * middle)
    macs = (4 * unit + 2 * channels**2) * height * width
    for level in range(1, depth + 1):
        height, width = height // 2, width // 2
        macs += (2 if level == depth else 3) * unit * height * width
    units = 4 + 3 * depth - 1
    return Cost(params=units * (unit + unit_norms) + 2 * channels**2 + 4 * channels, macs=macs)


def _official(stage: int, letter: str, depth: int) -> Official:
    name = f"Attention{letter}_1"
    keys = {
        f"{name}/mask/up_sample/interp_1/bn.": "logits.0.",
        f"{name}/mask/linear_1.": "logits.2.",
        f"{name}/mask/linear_1/bn.": "logits.3.",
        f"{name}/mask/linear_2.": "logits.5.",
    }

    def unit(ours: str, before: str, theirs: str) -> None:
        keys[f"{before}/bn."] = f"{ours}.branch.0."
        layers = ("conv1_1x1", "conv1_1x1/bn", "conv2_3x3", "conv2_3x3/bn", "conv3_1x1")
        for layer, i in zip(layers, (2, 3, 5, 6, 8), strict=True):
            keys[f"{theirs}/branch1/{layer}."] = f"{ours}.branch.{i}."

    trunk, down, up = f"{name}/trunk", f"{name}/mask/down_sample", f"{name}/mask/up_sample"
    unit("first", f"pre_res_{stage}", f"{trunk}/res1")
    unit("trunk.0", f"{trunk}/res1", f"{trunk}/res2")
    unit("trunk.1", f"{trunk}/res2", f"{trunk}/res3")
    for i in range(depth):
        unit(f"down.{i}", f"{down}/pool{i + 1}_3x3_s2", f"{down}/res{i + 1}_1")
    unit("bottom", f"{down}/res{depth}_1", f"{down}/res{depth}_2")
    for i in range(depth - 1):
        unit(f"skip.{i}", f"{down}/res{i + 1}_1", f"{name}/mask/skip/res{i + 1}")
        unit(f"up.{i}", f"{name}/mask/up_sample{i + 1}", f"{up}/res{i + 1}_1")
    unit("last", f"{name}/fusion", name)
    return Official(
        source=f"fwang91/residual-attention-network:imagenet_model/Attention-56-deploy.prototxt:layers {name}*",
        licence="none",
        build=lambda module, channels: ResidualAttention(channels, depth=depth),
        keys=keys,
    )


SPEC = Spec(
    name="ranet",
    role=Role.GATE,
    family="mixed",
    summary="A residual trunk whose features are scaled by one plus a mask from an hourglass branch beside it.",
    build=ResidualAttention,
    maths=(
        "U(x) = x + conv_1×1(δ conv_3×3(δ conv_1×1(δ x))), δ = relu(BN(·)), C → C/4 → C/4 → C",
        "h = U(x), F = U(U(h))",
        "hourglass: depth × (3×3 max pooling by 2, U), U, then depth × (bilinear up; + U(skip), U, but for the last)",
        "M = σ(conv_1×1(δ conv_1×1(δ hourglass(h))))",
        "y = U((1 + M) · F)",
    ),
    paper=Paper(
        title="Residual Attention Network for Image Classification",
        authors="Wang, Jiang, Qian, Yang, Li, Zhang, Wang, Tang",
        venue="CVPR",
        year=2017,
        arxiv="1704.06904",
    ),
    official=(_official(1, "A", 3), _official(2, "B", 2), _official(3, "C", 1)),
    options={
        "depth": "how often the mask branch halves its input; inputs need 2^depth positions a side",
        "attention": "'mixed' (sigmoid), 'channel' (over the norm of a position) or 'spatial' (standardised maps)",
        "residual": "multiply by 1 + M; False by M, the paper's naive attention",
    },
    default_reason=(
        "Mixed and residual, the paper's best; depth 1 runs on the smallest input. Published depths are 3 at 56×56, 2 "
        "at 28×28 and 1 at 14×14. Weights start normal with variance 2 / inputs (He et al.), as the released files "
        "state no initialisation."
    ),
    differs=(
        "It is a part of a network, not a light gate: 4 + 3·depth − 1 residual units, more than the block it joins.",
        "The paper's numbers of units are fixed, as in the released Caffe files: p = 1, t = 2 and r = 1.",
        "Caffe pools without padding and lets the last window reach over the edge; interpolation aligns the corners.",
        "Only the mixed attention was released; the other two follow the paper's formulas, with 1e-5 added to a "
        "variance.",
        "Popular PyTorch copies fix the interpolated sizes, and add terms to the mask branch that the authors' files "
        "do not have.",
        "A module called residual attention in a popular collection is another paper's (CSRA, 2021).",
    ),
    cost=cost,
    minimum_size=2,
)
