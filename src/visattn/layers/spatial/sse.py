"""sSE: channel squeeze and spatial excitation, a gate per position from one 1×1 convolution.

Paper: Roy et al., Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional Networks, MICCAI 2018,
arXiv:1803.02579, section 2.
"""

from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.channel import cse


class SSE(nn.Module):
    """Scale each position by the sigmoid of a weighted sum of its channels.

    `q = σ(w · x + b)` at every position, one map for all channels, and `y = x · q` (Roy et al., section 2).
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: C·H·W MACs.

    Args:
        channels: C.

    Raises:
        ShapeError: `channels` is below 1.

    >>> import torch
    >>> SSE(16)(torch.ones(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        require_positive("sse", channels=channels)
        self.conv = nn.Conv2d(channels, 1, 1)

    def gate(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the gate of `x`, (B, 1, H, W), see `forward`."""
        if weights is None:
            gate: Tensor = self.conv(x).sigmoid()
            return gate
        if weights.dim() != 2 or weights.shape[1] != self.conv.in_channels:
            raise ShapeError(
                f"sse got weights of {tuple(weights.shape)}, expected (any number, {self.conv.in_channels})",
                hint="pass one row of weights per support image",
            )
        return nn.functional.conv2d(x, weights.mean(dim=0)[None, :, None, None]).sigmoid()

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return `x` scaled position by position.

        Args:
            x: (B, C, H, W).
            weights: (n, C), for few-shot segmentation: their mean replaces w, and there is no b.

        Raises:
            ShapeError: `weights` has another shape.
        """
        return x * self.gate(x, weights)


def cost(channels: int, height: int, width: int) -> Cost:
    """Closed-form cost of `SSE` for one image."""
    return Cost(params=channels + 1, macs=channels * height * width)


SPEC = Spec(
    name="sse",
    role=Role.GATE,
    family="spatial",
    summary="A gate per position: the sigmoid of one learned weighted sum of the channels.",
    build=SSE,
    maths=("q = σ(Σ_c w_c x_c + b) at every position", "y = x · q"),
    paper=cse.SPEC.paper,
    official=(
        Official(
            source="ai-med/squeeze_and_excitation:squeeze_and_excitation/squeeze_and_excitation.py:SpatialSELayer",
            licence="MIT",
            build=lambda num_channels: SSE(channels=num_channels),
        ),
    ),
    default_reason="There is nothing to choose: one 1×1 convolution with a bias, as in the authors' code.",
    differs=(
        "The paper's formula shows no bias; the authors' code has one.",
        "A popular copy has C maps, and C² weights, where the paper has one map for all channels.",
        "The authors' few-shot weights, an argument of the call, are in no formula of this paper.",
    ),
    cost=cost,
)
