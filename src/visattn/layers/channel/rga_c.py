"""RGA-C: channel relation-aware global attention, a gate per channel from its relations to all channels.

Paper: Zhang et al., Relation-Aware Global Attention for Person Re-identification, CVPR 2020, arXiv:1904.02998.
"""

from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Role, Spec
from visattn.layers.mixed import relation_gate
from visattn.layers.mixed.relation_gate import RelationGate, require_positions
from visattn.layers.spatial import rga_s


class RGAC(nn.Module):
    """Scale each channel by a gate that sees its affinities to and from every channel.

    `y = x · a` with the gate of `RelationGate`, whose nodes are the C channels, each with its N = H·W values as
    features; so the weights fit one N only, in one order of the positions.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: C·(3·N²/8 + C·N/8 + C²/4) MACs and lower powers, at the
    default ratios.

    Args:
        channels: C.
        height: H of every input.
        width: W of every input.
        channel_ratio: The affinities of a channel are reduced to `max(1, C // channel_ratio)` units.
        spatial_ratio: Its embeddings have `max(1, N // spatial_ratio)` units.
        down_ratio: The hidden layer of the gate is that much narrower than its input.

    Raises:
        ShapeError: An argument is below 1, or an input has another number of positions.

    >>> import torch
    >>> RGAC(16, 5, 7)(torch.ones(2, 16, 5, 7)).shape
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
        require_positive("rga_c", channels=channels, height=height, width=width)
        require_positive("rga_c", channel_ratio=channel_ratio, spatial_ratio=spatial_ratio, down_ratio=down_ratio)
        self.positions = height * width
        self.relation = RelationGate(
            self.positions, channels, feature_ratio=spatial_ratio, node_ratio=channel_ratio, down_ratio=down_ratio
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled channel by channel."""
        require_positions("rga_c", x, self.positions)
        gate: Tensor = self.relation(x.flatten(2).transpose(1, 2))
        return x * gate.reshape(*x.shape[:2], 1, 1)

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
    """Closed-form cost of `RGAC` for one image."""
    return relation_gate.cost(
        height * width, channels, feature_ratio=spatial_ratio, node_ratio=channel_ratio, down_ratio=down_ratio
    )


SPEC = Spec(
    name="rga_c",
    role=Role.GATE,
    family="channel",
    summary="A gate per channel, learned from its affinities to and from all channels.",
    build=RGAC,
    maths=(
        "R = θ(xᵀ)ᵀ φ(xᵀ), (C, C): dot products of embedded maps, no softmax",
        "r_c = relu(BN(W_r [R_c,1..C; R_1..C,c])), u_c = mean over units of relu(BN(W_u x_c))",
        "a_c = σ(BN(W₂ relu(BN(W₁ [u_c; r_c]))))",
        "y_c = x_c · a_c",
    ),
    paper=rga_s.SPEC.paper,
    options={
        "channel_ratio": "the affinities of a channel are reduced to max(1, C // channel_ratio) units",
        "spatial_ratio": "its embeddings have max(1, N // spatial_ratio) units",
        "down_ratio": "the hidden layer of the gate is that much narrower than its input",
    },
    default_reason="All ratios 8, as in the authors' code; convolutions keep PyTorch's initialisation there.",
    differs=(
        "It is rga_s with the roles of channels and positions exchanged.",
        "The weights fit one number of positions, which the authors pass as one product; here height and width are.",
        "The official class of all three forms is the one of rga_s, rga_c and rga_sc: see rga_sc for its checkpoints.",
        "Where a ratio leaves no unit the authors' code fails; here one unit is kept.",
    ),
    cost=cost,
    fixed_size=True,
)
