"""RGA-SC: relation-aware global attention over positions, then over channels.

Paper: Zhang et al., Relation-Aware Global Attention for Person Re-identification, CVPR 2020, arXiv:1904.02998.
"""

from collections import OrderedDict

from torch import Tensor, nn

from visattn.core.errors import ConfigError
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.channel import rga_c
from visattn.layers.channel.rga_c import RGAC
from visattn.layers.spatial import rga_s
from visattn.layers.spatial.rga_s import RGAS


class RGASC(nn.Module):
    """Scale `x` by the gate per position of `RGAS`, then the result by the gate per channel of `RGAC`.

    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: that of both.

    Args:
        channels: C.
        height: H of every input.
        width: W of every input.
        channel_ratio: Reduces what stands for channels to `max(1, C // channel_ratio)` units.
        spatial_ratio: Reduces what stands for positions to `max(1, H·W // spatial_ratio)` units.
        down_ratio: The hidden layers of the gates are that much narrower than their inputs.

    Raises:
        ShapeError: An argument is below 1, or an input has another number of positions.

    >>> import torch
    >>> RGASC(16, 5, 7)(torch.ones(2, 16, 5, 7)).shape
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
        ratios = {"channel_ratio": channel_ratio, "spatial_ratio": spatial_ratio, "down_ratio": down_ratio}
        self.spatial = RGAS(channels, height, width, **ratios)
        self.channel = RGAC(channels, height, width, **ratios)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled position by position, then channel by channel."""
        y: Tensor = self.channel(self.spatial(x))
        return y


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    channel_ratio: int = 8,
    spatial_ratio: int = 8,
    down_ratio: int = 8,
) -> Cost:
    """Closed-form cost of `RGASC` for one image."""
    ratios = {"channel_ratio": channel_ratio, "spatial_ratio": spatial_ratio, "down_ratio": down_ratio}
    gates = [part.cost(channels, height, width, **ratios) for part in (rga_s, rga_c)]
    return Cost(params=sum(g.params for g in gates), macs=sum(g.macs for g in gates))


def _official(
    in_channel: int,
    in_spatial: int,
    use_spatial: bool = True,
    use_channel: bool = True,
    cha_ratio: int = 8,
    spa_ratio: int = 8,
    down_ratio: int = 8,
) -> nn.Sequential:
    if not (use_spatial or use_channel):
        raise ConfigError("RGA_Module got neither use_spatial nor use_channel", hint="pass at least one of them")
    ratios = {"channel_ratio": cha_ratio, "spatial_ratio": spa_ratio, "down_ratio": down_ratio}
    gates: dict[str, nn.Module] = {}
    # only the number of positions counts, and the official constructor knows no more
    if use_spatial:
        gates["spatial"] = RGAS(in_channel, in_spatial, 1, **ratios)
    if use_channel:
        gates["channel"] = RGAC(in_channel, in_spatial, 1, **ratios)
    return nn.Sequential(OrderedDict(gates))


_PARTS = {"theta": "theta", "phi": "phi", "gx": "unary", "gg": "relations", "W": "score"}

SPEC = Spec(
    name="rga_sc",
    role=Role.GATE,
    family="mixed",
    summary="A gate per position from relations among positions, then one per channel from those among channels.",
    build=RGASC,
    maths=(
        "x' = x · a_s(x), the gate of rga_s",
        "y = x' · a_c(x'), the gate of rga_c",
    ),
    paper=rga_s.SPEC.paper,
    official=(
        Official(
            source="microsoft/Relation-Aware-Global-Attention-Networks:reid/models/models_utils/rga_modules.py:RGA_Module",
            licence="MIT",
            build=_official,
            keys={
                f"{theirs}_{gate}.": f"{gate}.relation.{ours}."
                for theirs, ours in _PARTS.items()
                for gate in ("spatial", "channel")
            },
        ),
    ),
    options={
        "channel_ratio": "reduces what stands for channels to max(1, C // channel_ratio) units",
        "spatial_ratio": "reduces what stands for positions to max(1, H·W // spatial_ratio) units",
        "down_ratio": "the hidden layers of the gates are that much narrower than their inputs",
    },
    default_reason="Positions first and all ratios 8, as in the authors' code.",
    differs=(
        "The weights fit one number of positions, which the authors pass as one product; here height and width are.",
        "The official class also stands for either gate alone, so its checkpoints load into a sequence of gates.",
        "It was published after each of the four stages of a ResNet-50 for 256×128 inputs.",
    ),
    cost=cost,
    fixed_size=True,
)
