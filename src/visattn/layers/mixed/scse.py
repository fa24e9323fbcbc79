"""scSE: concurrent spatial and channel squeeze and excitation, cSE and sSE side by side.

Papers: Roy et al., Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional Networks, MICCAI 2018,
arXiv:1803.02579; Roy et al., Recalibrating Fully Convolutional Networks with Spatial and Channel Squeeze & Excitation
Blocks, TMI 2019, arXiv:1808.08127.
"""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.channel import cse
from visattn.layers.channel.cse import CSE
from visattn.layers.spatial import sse
from visattn.layers.spatial.sse import SSE

Aggregation = Literal["max", "add", "multiply", "concat"]

_ELEMENTWISE: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "max": torch.maximum,
    "add": torch.add,
    "multiply": torch.mul,
}


class SCSE(nn.Module):
    """Scale `x` by a gate per channel and, beside it, by a gate per position, and aggregate the two results.

    `y = max(x · s, x · q)` with the gates of `CSE` and `SSE`; the sum in the MICCAI paper, all four in the TMI paper.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 2·C·hidden + C·H·W MACs, and 2·C²·H·W more for "concat".

    Args:
        channels: C.
        reduction: r of the channel gate; its bottleneck has `max(1, C // r)` units.
        aggregation: "max", "add" or "multiply", element by element, or "concat": both results side by side, and a 1×1
            convolution back to C that starts as their sum.

    Raises:
        ShapeError: `channels` or `reduction` is below 1.
        ConfigError: `aggregation` is unknown.

    >>> SCSE(16, aggregation="add")(torch.ones(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(self, channels: int, *, reduction: int = 2, aggregation: Aggregation = "max") -> None:
        super().__init__()
        require_choice("scse", get_args(Aggregation), aggregation=aggregation)
        self.aggregation = aggregation
        self.channel = CSE(channels, reduction=reduction)
        self.spatial = SSE(channels)
        self.fuse = nn.Conv2d(2 * channels, channels, 1) if aggregation == "concat" else None
        if self.fuse is not None:
            with torch.no_grad():
                self.fuse.weight.copy_(torch.eye(channels).repeat(1, 2)[:, :, None, None])
            nn.init.zeros_(self.fuse.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return the aggregate of `x` scaled channel by channel and `x` scaled position by position."""
        by_channel, by_position = self.channel(x), self.spatial(x)
        if self.fuse is None:
            return _ELEMENTWISE[self.aggregation](by_channel, by_position)
        fused: Tensor = self.fuse(torch.cat((by_channel, by_position), dim=1))
        return fused

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"aggregation={self.aggregation!r}"


def cost(channels: int, height: int, width: int, *, reduction: int = 2, aggregation: Aggregation = "max") -> Cost:
    """Closed-form cost of `SCSE` for one image."""
    gates = cse.cost(channels, height, width, reduction=reduction), sse.cost(channels, height, width)
    fuse = 2 * channels**2 * (aggregation == "concat")
    return Cost(
        params=sum(g.params for g in gates) + fuse + channels * (aggregation == "concat"),
        macs=sum(g.macs for g in gates) + fuse * height * width,
    )


SPEC = Spec(
    name="scse",
    role=Role.GATE,
    family="mixed",
    summary="A gate per channel and a gate per position, applied side by side; the larger result counts.",
    build=SCSE,
    maths=(
        "s = σ(W₂ relu(W₁ mean over H×W of x + b₁) + b₂), per channel",
        "q = σ(Σ_c w_c x_c + b), per position",
        "y = max(x · s, x · q)",
    ),
    paper=cse.SPEC.paper,
    official=(
        Official(
            source="ai-med/squeeze_and_excitation:squeeze_and_excitation/squeeze_and_excitation.py:ChannelSpatialSELayer",
            licence="MIT",
            build=lambda num_channels, reduction_ratio=2: SCSE(num_channels, reduction=reduction_ratio),
            keys={"cSE.fc1.": "channel.reduce.", "cSE.fc2.": "channel.expand.", "sSE.": "spatial."},
        ),
    ),
    options={
        "reduction": "r of the channel gate, its bottleneck has max(1, C // r) units",
        "aggregation": "'max', 'add', 'multiply' or 'concat' of the two scaled maps",
    },
    default_reason="The maximum, as in the authors' code and in the journal version, which finds it among the best.",
    differs=(
        "The MICCAI paper adds the two results; the authors' code, like the TMI paper, takes the larger one.",
        "'multiply' and 'concat' are in the TMI paper without released code; 'multiply' is y = x² · s · q.",
        "The TMI paper hands the 2·C concatenated channels to the next layer; here a 1×1 convolution takes that "
        "layer's place, so that the shape stays.",
        "Popular copies use r = 16, leave out the biases, or give the spatial gate C maps instead of one.",
    ),
    cost=cost,
)
