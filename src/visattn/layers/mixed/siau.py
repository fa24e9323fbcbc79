"""SIAU: spatial interaction-aggregation-update, a vector for the whole image from related body parts.

Paper: Hou et al., IAUnet: Global Context-Aware Feature Learning for Person Re-Identification, TNNLS 2020,
arXiv:2009.01035.
"""

from torch import Tensor, nn

from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.mixed import ciau, part_interaction
from visattn.layers.mixed.part_interaction import RELATION_KEYS, PartInteraction, PartRelation


class SIAU(nn.Module):
    """Add to every position one vector, made of K parts that attention finds and that look at each other.

    `a = σ(BN(conv(x)))`, `p_k = W_g Σ a_k x + b_g`, `u = W_g mean(x) + b_g`, `p'_i = relu(BN(W_l [p_i; Σ_j A_ij p_j]))`
    where `A_ij` is a softmax over j ≠ i of logits of `[|p_i − p_j|; u]`, and `y = x + BN(W [mean_k p'_k; u] + b)`.
    The last batch norm starts at 0, so the module starts as the identity.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 2·K·C·H·W MACs, and some C² that do not grow with the image.
    In training it needs a batch of two or more.

    Args:
        channels: C; parts have max(1, C // 2) values.
        parts: K, two or more.

    Raises:
        ShapeError: `channels` is below 1, `parts` below 2, or the input is not (B, C, H, W).

    >>> import torch
    >>> x = torch.rand(2, 16, 5, 7)
    >>> torch.equal(SIAU(16)(x), x)
    True
    """

    def __init__(self, channels: int, *, parts: int = 4) -> None:
        super().__init__()
        self.interaction = PartInteraction("siau", channels, parts)

    def with_parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the updated image and the maps of its parts, (B, K, H, W), which a parsing loss can supervise."""
        if x.dim() != 4:
            raise ShapeError(f"siau got an input of {x.dim()} dimensions, expected 4", hint="stiau is for clips")
        y, maps = self.interaction(x)
        return y, maps

    def forward(self, x: Tensor) -> Tensor:
        """Return the updated image."""
        return self.with_parts(x)[0]


def cost(channels: int, height: int, width: int, *, parts: int = 4) -> Cost:
    """Closed-form cost of `SIAU` for one image."""
    return part_interaction.cost(channels, height, width, parts=parts, frames=1)


SPEC = Spec(
    name="siau",
    role=Role.GATE,
    family="mixed",
    summary="One vector per image, from attended parts that look at each other, is added to every position.",
    build=SIAU,
    maths=(
        "a = σ(BN(conv_1×1(x))), K maps; p_k = W_g Σ over H×W of a_k x + b_g, u = W_g mean(x) + b_g",
        "A = softmax over j ≠ i of BN(w [|p_i − p_j|; u] + b)",
        "p'_i = relu(BN(W_l [p_i; Σ_j A_ij p_j] + b_l))",
        "y = x + BN(W [mean over k of p'_k; u] + b)",
    ),
    paper=ciau.SPEC.paper,
    official=(
        Official(
            source="blue-blue272/ImgReID-IAnet:models/SIAU.py:SIAU",
            licence="none",
            build=lambda in_channels: PartRelation(width=in_channels),
            keys=RELATION_KEYS,
            call=lambda relation, parts, whole: relation(parts[:, None], whole)[:, 0],
        ),
    ),
    options={"parts": "K, the number of parts, two or more"},
    default_reason="Four parts and the initialisation of the authors' code: the last batch norm at 0, so identity.",
    differs=(
        "The authors supervise the maps with a human parser: only that loss makes them parts; see with_parts().",
        "Their class SIAU is the relation of given parts alone; finding and using the parts is in their class IAU.",
        "The whole u adds the same number to all logits of a softmax, so it cancels; in training it still enters the "
        "statistics of the batch norm.",
        "Parts are sums over positions, not means, so their size grows with the image.",
        "The authors' code needs CUDA for its mask; here the mask follows the input.",
    ),
    cost=cost,
    starts_as_identity=True,
)
