"""A2: double attention, which gathers a few global descriptors and distributes them to every position.

Paper: Chen et al., A²-Nets: Double Attention Networks, NeurIPS 2018, arXiv:1810.11579.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec


class A2(nn.Module):
    """Add to each position a mixture of n global descriptors, with weights that the position chooses itself.

    `G = φ(x) softmax_positions(θ(x))ᵀ` gathers n descriptors of m values, `Z = G softmax_maps(ρ(x))` distributes them,
    and `y = x + W Z`; φ, θ, ρ and W are 1×1 convolutions with biases.
    Shapes: (B, C, H, W) → (B, C, H, W), or (B, m, H, W) without projection and residual.
    Cost per image: (2·C·m + 2·C·n + 2·m·n)·H·W MACs.

    Args:
        channels: C.
        values: m, the length of a descriptor; None is `max(1, C // 4)`, and C without projection.
        maps: n, the number of descriptors and of attention maps; None is `max(1, C // 4)`.
        residual: Add `x`.
        project: Map the m values back to C; False leaves W out.

    Raises:
        ShapeError: `channels`, `values` or `maps` is below 1, or `x` cannot be added because m is not C.

    >>> A2(64)(torch.ones(2, 64, 5, 7)).shape
    torch.Size([2, 64, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        *,
        values: int | None = None,
        maps: int | None = None,
        residual: bool = True,
        project: bool = True,
    ) -> None:
        super().__init__()
        require_positive("a2", channels=channels)
        m, n = _widths(channels, values, maps, project)
        require_positive("a2", values=m, maps=n)
        if residual and not project and m != channels:
            raise ShapeError(
                f"a2 got values={m} for {channels} channels, expected {channels} without a projection",
                hint="pass project=True or residual=False",
            )
        self.residual = residual
        self.feature = nn.Conv2d(channels, m, 1)
        self.gather = nn.Conv2d(channels, n, 1)
        self.distribute = nn.Conv2d(channels, n, 1)
        self.project = nn.Conv2d(m, channels, 1) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with what was gathered and distributed."""
        features: Tensor = self.feature(x)
        gathering = self.gather(x).flatten(2).softmax(dim=2)
        distribution = self.distribute(x).flatten(2).softmax(dim=1)
        descriptors = torch.matmul(features.flatten(2), gathering.transpose(1, 2))
        z = torch.matmul(descriptors, distribution).reshape(features.shape)
        y: Tensor = z if self.project is None else self.project(z)
        return x + y if self.residual else y

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"residual={self.residual}"


def _widths(channels: int, values: int | None, maps: int | None, project: bool) -> tuple[int, int]:
    quarter = max(1, channels // 4)
    own = quarter if project else channels
    return own if values is None else values, quarter if maps is None else maps


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    values: int | None = None,
    maps: int | None = None,
    residual: bool = True,
    project: bool = True,
) -> Cost:
    """Closed-form cost of `A2` for one image."""
    m, n = _widths(channels, values, maps, project)
    weights = channels * (m + 2 * n + m * project)
    return Cost(params=weights + m + 2 * n + channels * project, macs=(weights + 2 * m * n) * height * width)


SPEC = Spec(
    name="a2",
    role=Role.GATE,
    family="context",
    summary="Global descriptors, gathered by attention over all positions and handed out by a second attention.",
    build=A2,
    maths=(
        "A = φ(x), (m, H·W); B = softmax over positions of θ(x), (n, H·W); V = softmax over the n maps of ρ(x)",
        "G = A Bᵀ, (m, n): n descriptors, each a weighted sum over all positions",
        "y = x + W (G V)",
    ),
    paper=Paper(
        title="A²-Nets: Double Attention Networks",
        authors="Chen, Kalantidis, Li, Yan, Feng",
        venue="NeurIPS",
        year=2018,
        arxiv="1810.11579",
    ),
    official=(
        Official(
            source="nguyenvo09/Double-Attention-Network:double_attention_layer.py:DoubleAttentionLayer",
            licence="none",
            build=lambda in_channels, c_m, c_n, reconstruct=False: A2(
                in_channels, values=c_m, maps=c_n, residual=False, project=reconstruct
            ),
            keys={
                "convA.": "feature.",
                "convB.": "gather.",
                "convV.": "distribute.",
                "conv_reconstruct.": "project.",
            },
        ),
    ),
    options={
        "values": "m, the length of a descriptor; None is max(1, C // 4), and C without projection",
        "maps": "n, the number of descriptors and of attention maps; None is max(1, C // 4)",
        "residual": "add the input",
        "project": "map the m values back to C with a 1×1 convolution",
    },
    default_reason=(
        "Residual and projection as in the paper, m = n = C/4 as in its ablation; it does not say whether the "
        "convolutions have biases, and the independent code whose weights load has them."
    ),
    differs=(
        "The authors never released code; the weights that load are those of an independent implementation, which has "
        "no residual, and a projection only if asked.",
        "The 33.0 M parameters and 6.50 G MACs printed for ResNet-50 fit five blocks with m = n = C/2, not C/4; where "
        "they go is not printed.",
        "G V is computed first by G, which costs H·W·m·n and never stores an (H·W)×(H·W) matrix.",
        "The bias of θ cancels in its softmax; it is kept for weights that have it.",
        "A popular copy takes both softmaxes over the batch, so images of one batch change each other; others take the "
        "second over positions instead of maps, average instead of sum, or leave out the residual.",
    ),
    cost=cost,
)
