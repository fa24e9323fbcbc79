"""Criss-cross attention: every position attends to its row and its column, and after two rounds to all positions.

Paper: Huang et al., CCNet: Criss-Cross Attention for Semantic Segmentation, ICCV 2019, arXiv:1811.11721, eq. 1-2.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec


class CrissCross(nn.Module):
    """Add to every position a weighted sum of projections of the positions in its row and column, R times.

    `y_i = x_i + γ Σ_j softmax_j(q_i · k_j) v_j`, j in the row and column of i, itself once (Huang et al., eq. 1-2),
    logits without a scale. The R rounds share all weights. γ starts at 0, so the module starts as the identity.
    Shapes: (B, C, H, W) → (B, C, H, W).
    Cost per image of N positions: R·N·(C·(2·hidden + C) + (H + W)·(hidden + C)) MACs.

    Args:
        channels: C.
        reduction: r; queries and keys have `max(1, C // r)` channels.
        recurrence: R; with two rounds every position can reach every other.

    Raises:
        ShapeError: `channels`, `reduction` or `recurrence` is below 1.

    >>> x = torch.rand(2, 64, 5, 7)
    >>> torch.equal(CrissCross(64)(x), x)
    True
    """

    def __init__(self, channels: int, *, reduction: int = 8, recurrence: int = 2) -> None:
        super().__init__()
        require_positive("criss_cross", channels=channels, reduction=reduction, recurrence=recurrence)
        hidden = max(1, channels // reduction)
        self.recurrence = recurrence
        self.query = nn.Conv2d(channels, hidden, 1)
        self.key = nn.Conv2d(channels, hidden, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` after R rounds."""
        for _ in range(self.recurrence):
            x = x + self.gamma * criss_cross(self.query(x), self.key(x), self.value(x))
        return x

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"recurrence={self.recurrence}"


def criss_cross(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return `Σ_j softmax_j(q_i · k_j) v_j`, j in the row and column of i.

    Args:
        query: (B, D, H, W).
        key: (B, D, H, W).
        value: (B, E, H, W).

    Returns:
        (B, E, H, W).
    """
    height = query.shape[2]
    along_rows, along_columns = (0, 2, 3, 1), (0, 3, 2, 1)
    rows, columns = (
        torch.matmul(query.permute(order), key.permute(order).transpose(2, 3)) for order in (along_rows, along_columns)
    )
    # a position is in its row and in its column, and counts once
    itself = torch.eye(height, dtype=torch.bool, device=query.device)
    columns = columns.masked_fill(itself, -torch.inf).transpose(1, 2)
    in_column, in_row = torch.cat((columns, rows), dim=3).softmax(dim=3).tensor_split([height], dim=3)
    from_column = torch.matmul(in_column.transpose(1, 2), value.permute(along_columns)).transpose(1, 2)
    from_row = torch.matmul(in_row, value.permute(along_rows))
    return (from_column + from_row).permute(0, 3, 1, 2)


def cost(channels: int, height: int, width: int, *, reduction: int = 8, recurrence: int = 2) -> Cost:
    """Closed-form cost of `CrissCross` for one image."""
    hidden = max(1, channels // reduction)
    round_macs = height * width * (channels * (2 * hidden + channels) + (height + width) * (hidden + channels))
    return Cost(params=(channels + 1) * (2 * hidden + channels) + 1, macs=recurrence * round_macs)


_KEYS = {"query_conv.": "query.", "key_conv.": "key.", "value_conv.": "value.", "gamma": "gamma"}

SPEC = Spec(
    name="criss_cross",
    role=Role.GATE,
    family="context",
    summary="Every position attends to its own row and column; a second round with the same weights reaches the rest.",
    build=CrissCross,
    maths=(
        "q = W_q x + b_q and k = W_k x + b_k with C/8 channels, v = W_v x + b_v with C",
        "w_ij = softmax of q_i · k_j over the H + W − 1 positions j in the row and column of i",
        "y_i = x_i + γ Σ_j w_ij v_j, R times with the same weights",
    ),
    paper=Paper(
        title="CCNet: Criss-Cross Attention for Semantic Segmentation",
        authors="Huang, Wang, Huang, Huang, Wei, Liu",
        venue="ICCV",
        year=2019,
        arxiv="1811.11721",
    ),
    official=tuple(
        Official(
            source=source,
            licence="MIT",
            build=lambda in_dim, recurrence=1: CrissCross(in_dim, recurrence=recurrence),
            keys=_KEYS,
        )
        for source in (
            "speedinghzl/CCNet:cc_attention/functions.py:CrissCrossAttention",
            "Serge-weihao/CCNet-Pure-Pytorch:networks/CC.py:CC_module",
        )
    ),
    options={
        "reduction": "r, queries and keys have max(1, C // r) channels",
        "recurrence": "R, how often the module is applied with the same weights",
    },
    default_reason="Two rounds, as in the paper's main results; C/8 for queries and keys, as in the paper.",
    differs=(
        "The authors' class is one round; their head applies it R times, and its checkpoints do not tell R.",
        "The authors' code masks the position's own logit in the column; copies that forget it count it twice.",
        "The logits have no scale.",
        "γ starts at 0, so queries, keys and values have no gradient in the first step.",
        "The paper counts H + W − 1 products per position; here, as in the authors' code, the masked one is computed.",
        "Below 8 channels the authors' code has queries of no channel; here they keep one.",
    ),
    cost=cost,
    starts_as_identity=True,
)
