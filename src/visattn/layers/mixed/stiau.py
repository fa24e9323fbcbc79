"""STIAU: spatial-temporal interaction-aggregation-update, body parts related within and across frames of a clip.

Paper: Hou et al., IAUnet: Global Context-Aware Feature Learning for Person Re-Identification, TNNLS 2020,
arXiv:2009.01035.
"""

from torch import Tensor, nn

from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.mixed import ciau, part_interaction
from visattn.layers.mixed.part_interaction import RELATION_KEYS, PartInteraction, PartRelation


class STIAU(nn.Module):
    """Add to every position of a frame one vector, made of parts that look at each other within and across frames.

    As `SIAU`, with T·K parts, of which i looks at j if they are different parts of one frame or the same part in two
    frames; `u` is the mean over the clip, and each frame gets the vector of its own parts. An image is a clip of one
    frame, for which this is `SIAU`. The last batch norm starts at 0, so the module starts as the identity.
    Shapes: (B, C, T, H, W) or (B, C, H, W) → same. Cost per clip: 2·K·C·T·H·W MACs, and terms without H·W.
    In training it needs two or more frames in the batch.

    Args:
        channels: C; parts have max(1, C // 2) values.
        parts: K, two or more.

    Raises:
        ShapeError: `channels` is below 1 or `parts` below 2.

    >>> import torch
    >>> x = torch.rand(2, 16, 3, 5, 7)
    >>> torch.equal(STIAU(16)(x), x)
    True
    """

    def __init__(self, channels: int, *, parts: int = 4) -> None:
        super().__init__()
        self.interaction = PartInteraction("stiau", channels, parts)

    def with_parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the updated clip and the maps of its parts, (B, T, K, H, W), of an image (B, K, H, W)."""
        y, maps = self.interaction(x)
        return y, maps

    def forward(self, x: Tensor) -> Tensor:
        """Return the updated clip."""
        return self.with_parts(x)[0]


def cost(channels: int, height: int, width: int, *, parts: int = 4, frames: int = 1) -> Cost:
    """Closed-form cost of `STIAU` for one clip of `frames`."""
    return part_interaction.cost(channels, height, width, parts=parts, frames=frames)


SPEC = Spec(
    name="stiau",
    role=Role.GATE,
    family="mixed",
    summary="One vector per frame, from parts that look at other parts of it and at themselves in other frames.",
    build=STIAU,
    maths=(
        "parts p of all frames and the whole u as in siau, u over the clip",
        "A = softmax over allowed j of BN(w [|p_i − p_j|; u] + b); allowed: same frame or same part, not both",
        "p'_i = relu(BN(W_l [p_i; Σ_j A_ij p_j] + b_l))",
        "y_t = x_t + BN(W [mean over the parts of frame t of p'; u] + b)",
    ),
    paper=ciau.SPEC.paper,
    official=(
        Official(
            source="blue-blue272/ImgReID-IAnet:models/STIAU.py:STIAUModule",
            licence="none",
            # the weights know neither frames nor parts
            build=lambda in_channels, **numbers_of_frames_and_parts: PartRelation(in_channels),
            keys=RELATION_KEYS,
        ),
    ),
    options={"parts": "K, the number of parts, two or more"},
    default_reason="Four parts and the initialisation of the authors' code: the last batch norm at 0, so identity.",
    differs=(
        "The authors fix the number of frames at construction, and take fewer; here any number of frames will do.",
        "Their class STIAUModule is the relation of given parts alone; the rest is in their class IAUBlock3D.",
        "On an image, a clip of one frame, it is siau; what siau says of parts holds here too.",
    ),
    cost=cost,
    starts_as_identity=True,
)
