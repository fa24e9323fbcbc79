"""CBAM's channel gate: one bottleneck over several global poolings, summed before the sigmoid.

Paper: Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018, arXiv:1807.06521, eq. 2.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_choices, require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec

Pooling = Literal["avg", "max", "lp", "lse"]
Variant = Literal["official", "paper"]

_POOLS: Mapping[Pooling, Callable[[Tensor], Tensor]] = {
    "avg": lambda x: x.mean(dim=(2, 3)),
    # as in the authors' code, a tie sends its gradient to one position
    "max": lambda x: nn.functional.adaptive_max_pool2d(x, 1).flatten(1),
    "lp": lambda x: torch.linalg.vector_norm(x, dim=(2, 3)),
    "lse": lambda x: x.logsumexp(dim=(2, 3)),
}


class CBAMChannel(nn.Module):
    """Scale each channel by a gate that one shared bottleneck computes from several pooled descriptors.

    `M = σ(Σ_p (W₂ relu(W₁ p(x) + b₁) + b₂))`, the sum over the poolings p, and `y = x · M` (Woo et al., eq. 2).
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 2·P·C·hidden MACs for P poolings.

    Args:
        channels: C.
        reduction: r; the bottleneck has `max(1, C // r)` units.
        pooling: One or more of "avg", "max", "lp" (root of the sum of squares) and "lse" (logarithm of the sum of
            exponentials).
        variant: "official" has biases, which start at 0 as published; "paper" has none, as its formula.

    Raises:
        ShapeError: `channels` or `reduction` is below 1.
        ConfigError: `pooling` is empty or holds an unknown name, or `variant` is unknown.

    >>> CBAMChannel(16, reduction=4, pooling=["avg"])(torch.ones(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        pooling: Sequence[Pooling] = ("avg", "max"),
        variant: Variant = "official",
    ) -> None:
        super().__init__()
        require_positive("cbam_channel", channels=channels, reduction=reduction)
        require_choices("cbam_channel", get_args(Pooling), pooling=pooling)
        require_choice("cbam_channel", get_args(Variant), variant=variant)
        self.pooling = tuple(pooling)
        hidden = max(1, channels // reduction)
        bias = variant == "official"
        self.reduce = nn.Linear(channels, hidden, bias=bias)
        self.expand = nn.Linear(hidden, channels, bias=bias)
        if bias:
            nn.init.zeros_(self.reduce.bias)
            nn.init.zeros_(self.expand.bias)

    def gate(self, x: Tensor) -> Tensor:
        """Return the gate of `x`, (B, C, 1, 1)."""
        pooled = torch.stack([_POOLS[p](x) for p in self.pooling], dim=1)
        gate: Tensor = self.expand(self.reduce(pooled).relu()).sum(dim=1).sigmoid()
        return gate[:, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled channel by channel."""
        return x * self.gate(x)

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"pooling={self.pooling}"


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    reduction: int = 16,
    pooling: Sequence[Pooling] = ("avg", "max"),
    variant: Variant = "official",
) -> Cost:
    """Closed-form cost of `CBAMChannel` for one image."""
    hidden = max(1, channels // reduction)
    biases = (channels + hidden) * (variant == "official")
    return Cost(params=2 * channels * hidden + biases, macs=2 * len(pooling) * channels * hidden)


SPEC = Spec(
    name="cbam_channel",
    role=Role.GATE,
    family="channel",
    summary="CBAM's gate per channel: the bottleneck of SE shared by average and max pooling.",
    build=CBAMChannel,
    maths=(
        "MLP(z) = W₂ relu(W₁ z + b₁) + b₂, shared",
        "M = σ(MLP(mean over H×W of x) + MLP(max over H×W of x))",
        "y = x · M",
    ),
    paper=Paper(
        title="CBAM: Convolutional Block Attention Module",
        authors="Woo, Park, Lee, Kweon",
        venue="ECCV",
        year=2018,
        arxiv="1807.06521",
    ),
    official=(
        Official(
            source="Jongchan/attention-module:MODELS/cbam.py:ChannelGate",
            licence="MIT",
            build=lambda gate_channels, reduction_ratio=16, pool_types=("avg", "max"): CBAMChannel(
                gate_channels, reduction=reduction_ratio, pooling=pool_types
            ),
            keys={"mlp.1.": "reduce.", "mlp.3.": "expand."},
        ),
    ),
    options={
        "reduction": "r, the bottleneck has max(1, C // r) units",
        "pooling": "one or more of 'avg', 'max', 'lp' and 'lse'",
        "variant": "'official' has biases in both layers, 'paper' has none",
    },
    variants={
        "official": "biases in both layers, as in the authors' code",
        "paper": "no biases, as in the paper's formula",
    },
    default_reason="The authors' code, which the published weights and parameter counts need; its biases start at 0.",
    differs=(
        "The paper's formula shows no biases; the authors' code has them.",
        "The sigmoid wraps the sum over the poolings; some copies apply it per pooling.",
        "The 'lp' and 'lse' poolings exist in the authors' code only, and are sums, not means, over the positions.",
        "With pooling=['avg'] this is SE with biases.",
        "Below r channels the authors' code has an empty bottleneck; here it keeps one unit.",
    ),
    cost=cost,
)
