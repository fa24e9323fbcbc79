"""BAM: bottleneck attention module, a channel branch and a spatial branch side by side, fused into one gate.

Paper: Park et al., BAM: Bottleneck Attention Module, BMVC 2018, arXiv:1807.06514, eq. 1-4.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec

Fusion = Literal["sum", "product", "max"]
Variant = Literal["official", "paper"]

_FUSIONS: Mapping[Fusion, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": torch.add,
    "product": torch.mul,
    "max": torch.maximum,
}


class BAM(nn.Module):
    """Scale `x` by one plus a gate that fuses logits per channel with logits per position, both computed from `x`.

    `M = σ(fuse(M_c(x), M_s(x)))` and `y = x + x · M` (Park et al., eq. 1-2), with `M_c` a bottleneck over the spatial
    means (eq. 3) and `M_s` a 1×1 bottleneck, two dilated 3×3 convolutions and a 1×1 convolution to one map (eq. 4).
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 2·C·h + (C·h + 18·h² + h)·H·W MACs with h = max(1, C // r).
    In training the batch norm of the channel branch needs a batch of two or more.

    Args:
        channels: C.
        reduction: r of both branches.
        dilation: Dilation of the 3×3 convolutions.
        fusion: "sum", "product" or "max" of the logits; None takes the variant's own, "product" or "sum".
        variant: "official" has batch norm after each hidden layer and the product, as the authors' code; "paper" has
            it at the end of each branch and the sum, as the formulas.

    Raises:
        ShapeError: `channels`, `reduction` or `dilation` is below 1.
        ConfigError: `fusion` or `variant` is unknown.

    >>> BAM(64)(torch.ones(2, 64, 5, 7)).shape
    torch.Size([2, 64, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        dilation: int = 4,
        fusion: Fusion | None = None,
        variant: Variant = "official",
    ) -> None:
        super().__init__()
        require_positive("bam", channels=channels, reduction=reduction, dilation=dilation)
        require_choice("bam", get_args(Variant), variant=variant)
        own: Fusion = "product" if variant == "official" else "sum"
        self.fusion: Fusion = own if fusion is None else fusion
        require_choice("bam", get_args(Fusion), fusion=self.fusion)
        self.channel = _channel_branch(channels, reduction, variant=variant)
        self.spatial = _spatial_branch(channels, reduction, dilation=dilation, variant=variant)

    def gate(self, x: Tensor) -> Tensor:
        """Return what `x` is multiplied by, (B, C, H, W), between 1 and 2."""
        logits = _FUSIONS[self.fusion](self.channel(x)[:, :, None, None], self.spatial(x))
        return 1 + logits.sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled by the fused gate."""
        return x * self.gate(x)

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"fusion={self.fusion!r}"


def _channel_branch(channels: int, reduction: int, *, layers: int = 1, variant: Variant = "official") -> nn.Sequential:
    """Build M_c: (B, C, H, W) → (B, C)."""
    hidden = max(1, channels // reduction)
    modules: dict[str, nn.Module] = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    for i in range(layers):
        modules[f"linear{i}"] = nn.Linear(hidden if i else channels, hidden)
        if variant == "official":
            modules[f"norm{i + 1}"] = nn.BatchNorm1d(hidden)
        modules[f"relu{i}"] = nn.ReLU()
    modules["last"] = nn.Linear(hidden if layers else channels, channels)
    if variant == "paper":
        modules["norm"] = nn.BatchNorm1d(channels)
    return _published(modules)


def _spatial_branch(
    channels: int, reduction: int, *, layers: int = 2, dilation: int = 4, variant: Variant = "official"
) -> nn.Sequential:
    """Build M_s: (B, C, H, W) → (B, 1, H, W)."""
    hidden = max(1, channels // reduction)
    convs: dict[str, nn.Module] = {"reduce": nn.Conv2d(channels, hidden, 1)}
    for i in range(layers):
        convs[f"dilated{i}"] = nn.Conv2d(hidden, hidden, 3, padding=dilation, dilation=dilation)
    modules: dict[str, nn.Module] = {}
    for name, conv in convs.items():
        modules[name] = conv
        if variant == "official":
            modules[f"norm_{name}"] = nn.BatchNorm2d(hidden)
        modules[f"relu_{name}"] = nn.ReLU()
    modules["last"] = nn.Conv2d(hidden, 1, 1)
    if variant == "paper":
        modules["norm"] = nn.BatchNorm2d(1)
    return _published(modules)


def _published(modules: dict[str, nn.Module]) -> nn.Sequential:
    """Give a branch the initialisation of the authors' ResNet."""
    for module in modules.values():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    return nn.Sequential(OrderedDict(modules))


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    reduction: int = 16,
    dilation: int = 4,
    fusion: Fusion | None = None,
    variant: Variant = "official",
) -> Cost:
    """Closed-form cost of `BAM` for one image."""
    hidden = max(1, channels // reduction)
    per_channel = 2 * channels * hidden
    per_position = channels * hidden + 18 * hidden**2 + hidden
    biases = 4 * hidden + channels + 1
    norms = 8 * hidden if variant == "official" else 2 * channels + 2
    return Cost(
        params=per_channel + per_position + biases + norms,
        macs=per_channel + per_position * height * width,
    )


_CHANNEL_KEYS = {"gate_c.gate_c_fc_": "linear", "gate_c.gate_c_bn_": "norm", "gate_c.gate_c_fc_final": "last"}
_SPATIAL_KEYS = {
    "gate_s.gate_s_conv_reduce0": "reduce",
    "gate_s.gate_s_bn_reduce0": "norm_reduce",
    "gate_s.gate_s_conv_di_": "dilated",
    "gate_s.gate_s_bn_di_": "norm_dilated",
    "gate_s.gate_s_conv_final": "last",
}

SPEC = Spec(
    name="bam",
    role=Role.GATE,
    family="mixed",
    summary="A gate per channel and position that fuses a channel branch with a dilated spatial branch.",
    build=BAM,
    maths=(
        "M_c = W₂ relu(BN(W₁ z + b₁)) + b₂, with z = mean over H×W of x",
        "M_s = conv_1×1(D D relu(BN(conv_1×1(x)))), to one map, with D = relu(BN(conv_3×3(·))) of dilation 4",
        "y = x · (1 + σ(M_c · M_s))",
        "paper: y = x · (1 + σ(BN(M_c) + BN(M_s))), and no BN inside the branches",
    ),
    paper=Paper(
        title="BAM: Bottleneck Attention Module",
        authors="Park, Woo, Lee, Kweon",
        venue="BMVC",
        year=2018,
        arxiv="1807.06514",
    ),
    official=(
        Official(
            source="Jongchan/attention-module:MODELS/bam.py:BAM",
            licence="MIT",
            build=lambda gate_channel: BAM(channels=gate_channel),
            keys={f"channel_att.{theirs}": f"channel.{ours}" for theirs, ours in _CHANNEL_KEYS.items()}
            | {f"spatial_att.{theirs}": f"spatial.{ours}" for theirs, ours in _SPATIAL_KEYS.items()},
        ),
        Official(
            source="Jongchan/attention-module:MODELS/bam.py:ChannelGate",
            licence="MIT",
            build=lambda gate_channel, reduction_ratio=16, num_layers=1: _channel_branch(
                gate_channel, reduction_ratio, layers=num_layers
            ),
            keys=_CHANNEL_KEYS,
            call=lambda branch, x: branch(x)[:, :, None, None].expand_as(x),
        ),
        Official(
            source="Jongchan/attention-module:MODELS/bam.py:SpatialGate",
            licence="MIT",
            build=lambda gate_channel, reduction_ratio=16, dilation_conv_num=2, dilation_val=4: _spatial_branch(
                gate_channel, reduction_ratio, layers=dilation_conv_num, dilation=dilation_val
            ),
            keys=_SPATIAL_KEYS,
            call=lambda branch, x: branch(x).expand_as(x),
        ),
    ),
    options={
        "reduction": "r of both branches, whose hidden layers have max(1, C // r) units",
        "dilation": "dilation of the 3×3 convolutions",
        "fusion": "'sum', 'product' or 'max' of the logits of the branches; None takes the variant's own",
        "variant": "'official' has batch norm after hidden layers and the product, 'paper' at the ends and the sum",
    },
    variants={
        "official": "batch norm after each hidden layer, logits multiplied, as in the authors' code",
        "paper": "batch norm at the end of each branch, logits summed, as in the paper's formulas",
    },
    default_reason=(
        "The authors' code, which the published weights and parameter counts need, with its initialisation: "
        "convolutions normal with variance 2 / (outputs · k²), biases 0."
    ),
    differs=(
        "The paper sums the branches and finds the sum best of sum, product and maximum; the authors' code multiplies.",
        "The paper has batch norm at the end of each branch; the authors' code only after the hidden layers.",
        "The paper's formulas print no activations; both variants have ReLU after each hidden layer, as an MLP needs.",
        "The authors' channel branch pools a square of the input's height, so only square inputs are right; here the "
        "mean is over all positions.",
        "Below r channels the authors' code has empty hidden layers; here they keep one unit.",
        "The module was published once per stage, before each down-sampling, and not in every block.",
        "Some copies have dilation 2, padding that shrinks the map, or one set of weights for both 3×3 convolutions.",
    ),
    cost=cost,
)
