"""PAM: position attention module, every position receives a weighted sum over all positions.

Paper: Fu et al., Dual Attention Network for Scene Segmentation, CVPR 2019, arXiv:1809.02983, eq. 1-2.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.context.attend import attend

PAPER = Paper(
    title="Dual Attention Network for Scene Segmentation",
    authors="Fu, Liu, Tian, Li, Bao, Fang, Lu",
    venue="CVPR",
    year=2019,
    arxiv="1809.02983",
)


class PAM(nn.Module):
    """Add to every position a weighted sum of projections of all positions.

    `y_i = x_i + γ Σ_j softmax_j(q_i · k_j) v_j` (Fu et al., eq. 1-2), logits without a scale. γ starts at 0, so the
    module starts as the identity.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image of N positions: C·(2·hidden + C)·N + (hidden + C)·N² MACs.

    Args:
        channels: C.
        reduction: r; queries and keys have `max(1, C // r)` channels.

    Raises:
        ShapeError: `channels` or `reduction` is below 1.

    >>> x = torch.rand(2, 64, 5, 7)
    >>> torch.equal(PAM(64)(x), x)
    True
    """

    def __init__(self, channels: int, *, reduction: int = 8) -> None:
        super().__init__()
        require_positive("danet_pam", channels=channels, reduction=reduction)
        hidden = max(1, channels // reduction)
        self.query = nn.Conv2d(channels, hidden, 1)
        self.key = nn.Conv2d(channels, hidden, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` plus γ times what it receives from all positions."""
        query, key, value = (project(x).flatten(2) for project in (self.query, self.key, self.value))
        return x + self.gamma * attend(query, key, value, scale=1.0).reshape(x.shape)


def cost(channels: int, height: int, width: int, *, reduction: int = 8) -> Cost:
    """Closed-form cost of `PAM` for one image."""
    hidden, positions = max(1, channels // reduction), height * width
    return Cost(
        params=(channels + 1) * (2 * hidden + channels) + 1,
        macs=positions * (channels * (2 * hidden + channels) + positions * (hidden + channels)),
    )


SPEC = Spec(
    name="danet_pam",
    role=Role.GATE,
    family="context",
    summary="Every position receives a sum over all positions, weighted by similarity; the spatial half of DANet.",
    build=PAM,
    maths=(
        "q = W_q x + b_q and k = W_k x + b_k with C/8 channels, v = W_v x + b_v with C",
        "w_ij = softmax over the positions j of q_i · k_j",
        "y_i = x_i + γ Σ_j w_ij v_j",
    ),
    paper=PAPER,
    official=(
        Official(
            source="junfu1115/DANet:encoding/nn/da_att.py:PAM_Module",
            licence="MIT",
            build=lambda in_dim: PAM(channels=in_dim),
            keys={"query_conv.": "query.", "key_conv.": "key.", "value_conv.": "value.", "gamma": "gamma"},
        ),
    ),
    options={"reduction": "r, queries and keys have max(1, C // r) channels"},
    default_reason="C/8 for queries and keys, as in the authors' code; the paper's figure keeps C.",
    differs=(
        "The logits have no scale, unlike those of the non-local block.",
        "The paper projects queries and keys to C channels, the authors' code to C/8.",
        "γ starts at 0, so queries, keys and values have no gradient in the first step.",
        "Below 8 channels the authors' code has queries of no channel; here they keep one.",
        "CCNet's repository has a copy whose softmax runs over the queries instead of the keys.",
    ),
    cost=cost,
    starts_as_identity=True,
)
