"""cSE: spatial squeeze and channel excitation, SE with a wide bottleneck for segmentation networks.

Paper: Roy et al., Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional Networks, MICCAI 2018,
arXiv:1803.02579, section 2.
"""

from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec


class CSE(nn.Module):
    """Scale each channel by a gate that a two-layer bottleneck of C/2 units computes from the pooled channels.

    `s = σ(W₂ relu(W₁ z + b₁) + b₂)` with `z` the spatial mean of `x`, and `y = x · s` (Roy et al., section 2).
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 2·C·hidden MACs.

    Args:
        channels: C.
        reduction: r; the bottleneck has `max(1, C // r)` units.

    Raises:
        ShapeError: `channels` or `reduction` is below 1.

    >>> import torch
    >>> cse = CSE(16)
    >>> cse.reduce.out_features, cse(torch.ones(2, 16, 5, 7)).shape
    (8, torch.Size([2, 16, 5, 7]))
    """

    def __init__(self, channels: int, *, reduction: int = 2) -> None:
        super().__init__()
        require_positive("cse", channels=channels, reduction=reduction)
        hidden = max(1, channels // reduction)
        self.reduce = nn.Linear(channels, hidden)
        self.expand = nn.Linear(hidden, channels)

    def gate(self, x: Tensor) -> Tensor:
        """Return the gate of `x`, (B, C, 1, 1)."""
        gate: Tensor = self.expand(self.reduce(x.mean(dim=(2, 3))).relu()).sigmoid()
        return gate[:, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled channel by channel."""
        return x * self.gate(x)


def cost(channels: int, height: int, width: int, *, reduction: int = 2) -> Cost:
    """Closed-form cost of `CSE` for one image."""
    hidden = max(1, channels // reduction)
    return Cost(params=2 * channels * hidden + channels + hidden, macs=2 * channels * hidden)


SPEC = Spec(
    name="cse",
    role=Role.GATE,
    family="channel",
    summary="SE for segmentation networks: a gate per channel, from a bottleneck of half the width.",
    build=CSE,
    maths=("z = mean over H×W of x", "s = σ(W₂ relu(W₁ z + b₁) + b₂), C/2 units in between", "y = x · s"),
    paper=Paper(
        title="Concurrent Spatial and Channel 'Squeeze & Excitation' in Fully Convolutional Networks",
        authors="Roy, Navab, Wachinger",
        venue="MICCAI",
        year=2018,
        arxiv="1803.02579",
    ),
    official=(
        Official(
            source="ai-med/squeeze_and_excitation:squeeze_and_excitation/squeeze_and_excitation.py:ChannelSELayer",
            licence="MIT",
            build=lambda num_channels, reduction_ratio=2: CSE(num_channels, reduction=reduction_ratio),
            keys={"fc1.": "reduce.", "fc2.": "expand."},
        ),
    ),
    options={"reduction": "r, the bottleneck has max(1, C // r) units"},
    default_reason="A bottleneck of C/2 units and biases, as in the paper and in the authors' code.",
    differs=(
        "It is SE with r = 2 instead of 16; popular copies keep 16.",
        "The paper's formula shows no biases; the authors' code has them.",
    ),
    cost=cost,
)
