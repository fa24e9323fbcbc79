"""CBAM: convolutional block attention module, a channel gate followed by a spatial gate.

Paper: Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018, arXiv:1807.06521, eq. 1-3.
"""

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from visattn.core.checks import require_choice
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.channel import cbam_channel
from visattn.layers.channel.cbam_channel import CBAMChannel, Pooling, Variant
from visattn.layers.spatial import cbam_spatial
from visattn.layers.spatial.cbam_spatial import CBAMSpatial, Descriptor

Order = Literal["channel_first", "spatial_first", "parallel"]


class CBAM(nn.Module):
    """Scale `x` by a gate per channel, then by a gate per position that sees the result of the first.

    `x' = x · M_c(x)` and `y = x' · M_s(x')` (Woo et al., eq. 1), with the gates of `CBAMChannel` and `CBAMSpatial`.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 4·C·hidden + 2·k²·H·W MACs.

    Args:
        channels: C.
        reduction: r of the channel gate; its bottleneck has `max(1, C // r)` units.
        kernel_size: k of the spatial gate, odd.
        pooling: Poolings of the channel gate, one or more of "avg", "max", "lp" and "lse".
        spatial: False leaves the spatial gate out, and with it the meaning of `kernel_size`, `order` and `descriptor`.
        order: "channel_first" as published, "spatial_first", or "parallel": `y = x · M_c(x) · M_s(x)`.
        descriptor: What the spatial gate sees, "pool" or "conv".
        variant: "official" has the biases and the batch norm of the authors' code, "paper" has none, as its formulas.

    Raises:
        ShapeError: `channels` or `reduction` is below 1, or `kernel_size` is not odd.
        ConfigError: `pooling`, `order`, `descriptor` or `variant` is unknown.

    >>> import torch
    >>> CBAM(64)(torch.ones(2, 64, 5, 7)).shape
    torch.Size([2, 64, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        kernel_size: int = 7,
        pooling: Sequence[Pooling] = ("avg", "max"),
        spatial: bool = True,
        order: Order = "channel_first",
        descriptor: Descriptor = "pool",
        variant: Variant = "official",
    ) -> None:
        super().__init__()
        require_choice("cbam", get_args(Order), order=order)
        self.order = order
        self.channel = CBAMChannel(channels, reduction=reduction, pooling=pooling, variant=variant)
        self.spatial = (
            CBAMSpatial(channels, kernel_size=kernel_size, descriptor=descriptor, variant=variant) if spatial else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled by both gates."""
        if self.spatial is None:
            return x * self.channel.gate(x)
        if self.order == "parallel":
            return x * self.channel.gate(x) * self.spatial.gate(x)
        first, second = (self.channel, self.spatial) if self.order == "channel_first" else (self.spatial, self.channel)
        x = x * first.gate(x)
        return x * second.gate(x)

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"order={self.order!r}"


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    reduction: int = 16,
    kernel_size: int = 7,
    pooling: Sequence[Pooling] = ("avg", "max"),
    spatial: bool = True,
    order: Order = "channel_first",
    descriptor: Descriptor = "pool",
    variant: Variant = "official",
) -> Cost:
    """Closed-form cost of `CBAM` for one image."""
    gates = [cbam_channel.cost(channels, height, width, reduction=reduction, pooling=pooling, variant=variant)]
    if spatial:
        gates.append(
            cbam_spatial.cost(channels, height, width, kernel_size=kernel_size, descriptor=descriptor, variant=variant)
        )
    return Cost(params=sum(g.params for g in gates), macs=sum(g.macs for g in gates))


SPEC = Spec(
    name="cbam",
    role=Role.GATE,
    family="mixed",
    summary="A gate per channel from average and max pooling, then a gate per position from the pooled channels.",
    build=CBAM,
    maths=(
        "M_c(x) = σ(MLP(mean over H×W of x) + MLP(max over H×W of x))",
        "x' = x · M_c(x)",
        "M_s(x') = σ(BN(conv_7×7([max over C of x'; mean over C of x'])))",
        "y = x' · M_s(x')",
    ),
    paper=cbam_channel.SPEC.paper,
    official=(
        Official(
            source="Jongchan/attention-module:MODELS/cbam.py:CBAM",
            licence="MIT",
            build=lambda gate_channels, reduction_ratio=16, pool_types=("avg", "max"), no_spatial=False: CBAM(
                gate_channels, reduction=reduction_ratio, pooling=pool_types, spatial=not no_spatial
            ),
            keys={
                "ChannelGate.mlp.1.": "channel.reduce.",
                "ChannelGate.mlp.3.": "channel.expand.",
                "SpatialGate.spatial.conv.": "spatial.conv.",
                "SpatialGate.spatial.bn.": "spatial.norm.",
            },
        ),
    ),
    options={
        "reduction": "r of the channel gate, its bottleneck has max(1, C // r) units",
        "kernel_size": "k of the spatial gate's convolution, odd",
        "pooling": "poolings of the channel gate, one or more of 'avg', 'max', 'lp' and 'lse'",
        "spatial": "False leaves the spatial gate out",
        "order": "'channel_first', 'spatial_first' or 'parallel'",
        "descriptor": "what the spatial gate sees: 'pool' (maximum and mean) or 'conv' (a 1×1 convolution)",
        "variant": "'official' has biases and batch norm, 'paper' has neither",
    },
    variants={
        "official": "biases in the bottleneck and batch norm in the spatial gate, as in the authors' code",
        "paper": "neither, as in the paper's formulas",
    },
    default_reason=(
        "The authors' code, which the published weights and parameter counts need. Its initialisation is the default: "
        "biases 0, and the weight of the spatial gate's batch norm 0, so the spatial gate starts at 0.5."
    ),
    differs=(
        "The paper's formulas show neither biases nor batch norm; the authors' code has both.",
        "The paper writes [mean; max] in the spatial gate, the authors' code [max; mean].",
        "Neither paper nor code says how the parallel arrangement combines its gates; here both see x and multiply it.",
        "Other orders, k = 3 and the 'conv' descriptor are ablations of the paper without released code.",
        "Popular copies drop the biases and the batch norm, add a skip connection, apply the sigmoid per pooling, or "
        "compute the spatial gate from x instead of x'.",
    ),
    cost=cost,
)
