"""RGA-S: spatial relation-aware global attention, a gate per position from its relations to all positions.

Paper: Zhang et al., Relation-Aware Global Attention for Person Re-identification, CVPR 2020, arXiv:1904.02998.
"""

from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Paper, Role, Spec
from visattn.layers.mixed import relation_gate
from visattn.layers.mixed.relation_gate import RelationGate, require_positions


class RGAS(nn.Module):
    """Scale each position by a gate that sees its affinities to and from every position.

    `y = x · a` with the gate of `RelationGate`, whose nodes are the N = H·W positions. The
    affinities to all positions are features, so the weights fit one N only, in one order of the positions.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: N²·(C/8 + N/4) MACs and lower powers of N, at the default
    ratios, and N² numbers of memory.

    Args:
        channels: C.
        height: H of every input.
        width: W of every input.
        channel_ratio: Embeddings of a position have `max(1, C // channel_ratio)` units.
        spatial_ratio: Its affinities are reduced to `max(1, N // spatial_ratio)` units.
        down_ratio: The hidden layer of the gate is that much narrower than its input.

    Raises:
        ShapeError: An argument is below 1, or an input has another number of positions.

    >>> import torch
    >>> RGAS(16, 5, 7)(torch.ones(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        *,
        channel_ratio: int = 8,
        spatial_ratio: int = 8,
        down_ratio: int = 8,
    ) -> None:
        super().__init__()
        require_positive("rga_s", channels=channels, height=height, width=width)
        require_positive("rga_s", channel_ratio=channel_ratio, spatial_ratio=spatial_ratio, down_ratio=down_ratio)
        self.positions = height * width
        self.relation = RelationGate(
            channels, self.positions, feature_ratio=channel_ratio, node_ratio=spatial_ratio, down_ratio=down_ratio
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled position by position."""
        require_positions("rga_s", x, self.positions)
        gate: Tensor = self.relation(x.flatten(2))
        return x * gate.reshape(len(x), 1, *x.shape[2:])

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"positions={self.positions}"


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    channel_ratio: int = 8,
    spatial_ratio: int = 8,
    down_ratio: int = 8,
) -> Cost:
    """Closed-form cost of `RGAS` for one image."""
    return relation_gate.cost(
        channels, height * width, feature_ratio=channel_ratio, node_ratio=spatial_ratio, down_ratio=down_ratio
    )


SPEC = Spec(
    name="rga_s",
    role=Role.GATE,
    family="spatial",
    summary="A gate per position, learned from its affinities to and from all positions.",
    build=RGAS,
    maths=(
        "R = θ(x)ᵀ φ(x), (N, N) with N = H·W: dot products, no softmax",
        "r_i = relu(BN(W_r [R_i,1..N; R_1..N,i])), u_i = mean over channels of relu(BN(W_u x_i))",
        "a_i = σ(BN(W₂ relu(BN(W₁ [u_i; r_i]))))",
        "y_i = x_i · a_i",
    ),
    paper=Paper(
        title="Relation-Aware Global Attention for Person Re-identification",
        authors="Zhang, Lan, Zeng, Jin, Chen",
        venue="CVPR",
        year=2020,
        arxiv="1904.02998",
    ),
    options={
        "channel_ratio": "embeddings of a position have max(1, C // channel_ratio) units",
        "spatial_ratio": "its affinities are reduced to max(1, N // spatial_ratio) units",
        "down_ratio": "the hidden layer of the gate is that much narrower than its input",
    },
    default_reason="All ratios 8, as in the authors' code; convolutions keep PyTorch's initialisation there.",
    differs=(
        "The weights fit one number of positions, which the authors pass as one product; here height and width are.",
        "Neither rows nor columns are known, only the order of the positions, so H×W may be any shape of N positions.",
        "The official class of all three forms is the one of rga_s, rga_c and rga_sc: see rga_sc for its checkpoints.",
        "Where a ratio leaves no unit the authors' code fails; here one unit is kept.",
        "A softmax over the affinities makes it a non-local block; copies also leave out the position's own features.",
    ),
    cost=cost,
    fixed_size=True,
)
