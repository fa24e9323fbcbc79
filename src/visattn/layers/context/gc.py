"""GC: global context block, one attention-pooled context vector shared by all positions.

Paper: Cao et al., GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond, arXiv:1904.11492, eq. 5.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_choices, require_positive
from visattn.core.errors import ConfigError
from visattn.core.spec import Cost, Official, Paper, Role, Spec

Pooling = Literal["att", "avg"]
Fusion = Literal["add", "mul"]


class GC(nn.Module):
    """Add to every position a vector that a bottleneck computes from one attention-pooled context.

    `c = Σ_j softmax_j(w_k x_j + b_k) x_j` and `y = x + W₂ relu(LN(W₁ c + b₁)) + b₂` (Cao et al., eq. 5).
    `W₂` and `b₂` start at 0, so the default block starts as the identity.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 2·C·H·W + 2·C·hidden MACs.

    Args:
        channels: C.
        ratio: The bottleneck has `max(1, int(C · ratio))` units.
        pooling: "att" pools with the softmax above, "avg" takes the spatial mean.
        fusion: One or both of "add" and "mul"; "mul" scales `x` by the sigmoid of a branch of its own, before the sum.

    Raises:
        ShapeError: `channels` is below 1.
        ConfigError: `ratio` is not above 0, `pooling` is unknown, or `fusion` is empty or holds an unknown name.

    >>> x = torch.rand(2, 64, 5, 7)
    >>> torch.equal(GC(64)(x), x)
    True
    """

    def __init__(
        self,
        channels: int,
        *,
        ratio: float = 1 / 16,
        pooling: Pooling = "att",
        fusion: Sequence[Fusion] = ("add",),
    ) -> None:
        super().__init__()
        require_positive("gc", channels=channels)
        require_choice("gc", get_args(Pooling), pooling=pooling)
        require_choices("gc", get_args(Fusion), fusion=fusion)
        if ratio <= 0:
            raise ConfigError(f"gc got ratio={ratio}, expected a number above 0", hint="the paper has 1/16 and 1/4")
        hidden = max(1, int(channels * ratio))
        self.mask = nn.Conv2d(channels, 1, 1) if pooling == "att" else None
        if self.mask is not None:
            nn.init.kaiming_normal_(self.mask.weight)
            nn.init.zeros_(self.mask.bias)  # type: ignore[arg-type]
        self.add = _branch(channels, hidden) if "add" in fusion else None
        self.mul = _branch(channels, hidden) if "mul" in fusion else None

    def context(self, x: Tensor) -> Tensor:
        """Return the pooled context of `x`, (B, C)."""
        if self.mask is None:
            return x.mean(dim=(2, 3))
        weights = self.mask(x).flatten(2).softmax(dim=2)
        return torch.matmul(x.flatten(2), weights.transpose(1, 2)).squeeze(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` fused with its context."""
        context = self.context(x)
        if self.mul is not None:
            x = x * self.mul(context).sigmoid()[:, :, None, None]
        if self.add is not None:
            x = x + self.add(context)[:, :, None, None]
        return x


def _branch(channels: int, hidden: int) -> nn.Sequential:
    last = nn.Linear(hidden, channels)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(channels, hidden), nn.LayerNorm(hidden), nn.ReLU(), last)


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    ratio: float = 1 / 16,
    pooling: Pooling = "att",
    fusion: Sequence[Fusion] = ("add",),
) -> Cost:
    """Closed-form cost of `GC` for one image."""
    hidden = max(1, int(channels * ratio))
    attends, branches = pooling == "att", len(set(fusion))
    return Cost(
        params=(channels + 1) * attends + branches * (2 * channels * hidden + channels + 3 * hidden),
        macs=2 * channels * height * width * attends + branches * 2 * channels * hidden,
    )


_FUSIONS = {"channel_add": "add", "channel_mul": "mul"}

SPEC = Spec(
    name="gc",
    role=Role.GATE,
    family="context",
    summary="One context vector, pooled by attention over all positions, transformed and added everywhere.",
    build=GC,
    maths=(
        "c = Σ_j softmax_j(w_k x_j + b_k) x_j, over all positions j",
        "y = x + W₂ relu(LN(W₁ c + b₁)) + b₂",
    ),
    paper=Paper(
        title="GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond",
        authors="Cao, Xu, Lin, Wei, Hu",
        venue="ICCV Workshops",
        year=2019,
        arxiv="1904.11492",
    ),
    official=(
        Official(
            source="xvjiarui/GCNet:mmdet/ops/gcb/context_block.py:ContextBlock",
            licence="Apache-2.0",
            build=lambda inplanes, ratio, pooling_type="att", fusion_types=("channel_add",): GC(
                inplanes, ratio=ratio, pooling=pooling_type, fusion=[_FUSIONS.get(f, f) for f in fusion_types]
            ),
            keys={"conv_mask.": "mask.", "channel_add_conv.": "add.", "channel_mul_conv.": "mul."},
        ),
    ),
    options={
        "ratio": "the bottleneck has max(1, int(C · ratio)) units",
        "pooling": "'att' pools with a learned softmax over the positions, 'avg' with their mean",
        "fusion": "one or both of 'add' and 'mul'",
    },
    default_reason="Attention pooling, addition and ratio 1/16: the block that the paper's main results use.",
    differs=(
        "The bias of the attention logits cancels in the softmax; it is kept for the published weights.",
        "With fusion=['mul'] the zero initialisation halves the input instead of returning it.",
        "At one unit the layer norm returns only its bias, so the context no longer matters.",
        "Below 1 / ratio channels the authors' code has an empty bottleneck; here it keeps one unit.",
        "timm's GlobalContext multiplies by default, with ratio 1/8: another block than the paper's.",
    ),
    cost=cost,
    starts_as_identity=True,
)
