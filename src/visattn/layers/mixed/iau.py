"""IAU: interaction-aggregation-update, CIAU over channels and then SIAU or STIAU over parts.

Paper: Hou et al., IAUnet: Global Context-Aware Feature Learning for Person Re-Identification, TNNLS 2020,
arXiv:2009.01035.
"""

from torch import Tensor, nn

from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.mixed import ciau, part_interaction
from visattn.layers.mixed.ciau import CIAU
from visattn.layers.mixed.part_interaction import RELATION_KEYS, PartInteraction


class IAU(nn.Module):
    """Extend every channel by the channels like it, then every position by a vector made of related parts.

    `y = SIAU(CIAU(x))`, and `STIAU(CIAU(x))` for a clip, where CIAU takes each channel of each frame as a row of its
    own. Both start as the identity.
    Shapes: (B, C, H, W) or (B, C, T, H, W) → same. Cost per image: (3·C² + 2·K·C)·H·W MACs, and terms without H·W.
    In training it needs two or more images or frames in the batch.

    Args:
        channels: C; parts have max(1, C // 2) values.
        parts: K, two or more.

    Raises:
        ShapeError: `channels` is below 1 or `parts` below 2.

    >>> import torch
    >>> x = torch.rand(2, 16, 5, 7)
    >>> torch.equal(IAU(16)(x), x)
    True
    """

    def __init__(self, channels: int, *, parts: int = 4) -> None:
        super().__init__()
        self.spatial = PartInteraction("iau", channels, parts)
        self.channel = CIAU(channels)

    def with_parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result and the maps of its parts, (B, K, H, W), of a clip (B, T, K, H, W)."""
        y, maps = self.spatial(self.channel(x))
        return y, maps

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` updated by channels and by parts."""
        return self.with_parts(x)[0]


def cost(channels: int, height: int, width: int, *, parts: int = 4, frames: int = 1) -> Cost:
    """Closed-form cost of `IAU` for one image, or for one clip of `frames`."""
    channel = ciau.cost(channels, height, width, frames=frames)
    spatial = part_interaction.cost(channels, height, width, parts=parts, frames=frames)
    return Cost(params=channel.params + spatial.params, macs=channel.macs + spatial.macs)


def _keys(finder: str, relation: str) -> dict[str, str]:
    return {
        f"{finder}.conv.conv.": "spatial.parts.",
        f"{finder}.conv.bn.": "spatial.parts_norm.",
        "g.": "spatial.reduce.",
        **{f"{relation}.{theirs}": f"spatial.relation.{ours}" for theirs, ours in RELATION_KEYS.items()},
        "W1.0.": "channel.update.",
        "W1.1.": "channel.norm.",
        "W2.0.": "spatial.update.",
        "W2.1.": "spatial.norm.",
    }


def _clip_with_folded_maps(iau: IAU, x: Tensor) -> tuple[Tensor, Tensor]:
    y, maps = iau.with_parts(x)
    return y, maps.flatten(0, 1)


SPEC = Spec(
    name="iau",
    role=Role.GATE,
    family="mixed",
    summary="Channels are mixed with the channels like them, then a vector from related parts is added everywhere.",
    build=IAU,
    maths=(
        "z = x + BN(W₁ softmax(X Xᵀ) X + b₁), ciau",
        "y = z + BN(W₂ [mean of related parts of z; u(z)] + b₂), siau, and stiau for a clip",
    ),
    paper=ciau.SPEC.paper,
    official=(
        Official(
            source="blue-blue272/ImgReID-IAnet:models/IAU.py:IAU",
            licence="none",
            build=lambda in_channels: IAU(channels=in_channels),
            keys=_keys("sa", "SIAU"),
            call=IAU.with_parts,
        ),
        Official(
            source="blue-blue272/ImgReID-IAnet:models/IAU3D.py:IAUBlock3D",
            licence="none",
            build=lambda in_channels, seq_len: IAU(in_channels),
            keys=_keys("SA", "STIAU"),
            call=_clip_with_folded_maps,
        ),
    ),
    options={"parts": "K, the number of parts, two or more"},
    default_reason="Channels before parts, four parts and the initialisation of the authors' code, so identity.",
    differs=(
        "The paper introduces the spatial unit first; the authors' code applies the channel unit first.",
        "The authors' modules return the maps of the parts too, for a parsing loss; here with_parts() does.",
        "Their block for clips fixes the number of frames; here any number will do, and the weights are the same.",
        "It was published after the second and third stage of a ResNet-50.",
    ),
    cost=cost,
    starts_as_identity=True,
)
