"""Multi-head attention: queries, keys and values in several subspaces, each with its own softmax.

Paper: Vaswani et al., Attention Is All You Need, NeurIPS 2017, arXiv:1706.03762, eq. 1 and section 3.2.2.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_multiple, require_positive
from visattn.core.spec import Cost, Paper, Role, Spec
from visattn.layers.sequence.masked_softmax import masked_softmax


class MultiHeadAttention(nn.Module):
    """Let each query attend to a set in `heads` subspaces, and mix what they return.

    `head_h = softmax(Q_h K_hᵀ / √d) V_h` with `Q = W_q q`, `K = W_k m`, `V = W_v m` cut into parts of
    d = D / heads features, and `y = W_o (head_1, ..., head_h)` (Vaswani et al., eq. 1 and section 3.2.2).
    Shapes: (B, L, D), (B, N, M) → (B, L, D), (B, L, N). Cost: 2·L·D² + 2·N·M·D + 2·L·N·D MACs.

    Args:
        query_features: D.
        memory_features: M.
        heads: Number of heads; divides D.
        bias: Biases in all four projections.
        dropout: Probability that a weight is dropped in training.

    Raises:
        ShapeError: A size is below 1, `heads` does not divide D, or the mask does not fit.

    >>> attention = MultiHeadAttention(16, 16, heads=4)
    >>> x = torch.ones(2, 5, 16)
    >>> context, weights = attention(x, x)
    >>> context.shape, weights.shape
    (torch.Size([2, 5, 16]), torch.Size([2, 5, 5]))
    """

    def __init__(
        self, query_features: int, memory_features: int, *, heads: int = 8, bias: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__()
        sizes = {"query_features": query_features, "memory_features": memory_features, "heads": heads}
        require_positive("multi_head_attention", **sizes)
        require_multiple("multi_head_attention", "heads", heads, query_features=query_features)
        self.heads = heads
        self.query = nn.Linear(query_features, query_features, bias=bias)
        self.key = nn.Linear(memory_features, query_features, bias=bias)
        self.value = nn.Linear(memory_features, query_features, bias=bias)
        self.out = nn.Linear(query_features, query_features, bias=bias)
        self.dropout = nn.Dropout(dropout)
        for projection in (self.query, self.key, self.value, self.out):
            nn.init.xavier_uniform_(projection.weight)
            if bias:
                nn.init.zeros_(projection.bias)

    def weights(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the weights of every head, (B, heads, L, N), before dropout."""
        q, k = self._split(self.query(query)), self._split(self.key(memory))
        return masked_softmax(torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(2, 3)), mask)

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the contexts and the mean weights of all heads; `mask` is True at the members that count."""
        weights: Tensor = self.weights(query, memory, mask)
        heads = torch.matmul(self.dropout(weights), self._split(self.value(memory)))
        context: Tensor = self.out(heads.transpose(1, 2).flatten(2))
        return context, weights.mean(dim=1)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"heads={self.heads}"


def cost(
    query_features: int,
    memory_features: int,
    queries: int,
    members: int,
    *,
    heads: int = 8,
    bias: bool = True,
    dropout: float = 0.0,
) -> Cost:
    """Closed-form cost of `MultiHeadAttention` for one set of `members` and so many `queries`."""
    width = query_features
    return Cost(
        params=2 * width * (width + memory_features) + 4 * width * bias,
        macs=2 * width * (queries * width + members * memory_features + queries * members),
    )


SPEC = Spec(
    name="multi_head_attention",
    role=Role.SEQUENCE,
    family="sequence",
    summary="Each query attends to a set in several subspaces at once, each with a scaled dot product and a softmax.",
    build=MultiHeadAttention,
    maths=(
        "Q = W_q q, K = W_k m, V = W_v m, each cut into h heads of d = D / h features",
        "head_h = softmax(Q_h K_hᵀ / √d) V_h",
        "y = W_o (head_1, ..., head_h)",
    ),
    paper=Paper(
        title="Attention Is All You Need",
        authors="Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin",
        venue="NeurIPS",
        year=2017,
        arxiv="1706.03762",
    ),
    options={
        "heads": "h, divides the width of the queries",
        "bias": "biases in all four projections",
        "dropout": "probability that a weight is dropped in training",
    },
    default_reason="Eight heads as in the paper, and the biases that torch.nn.MultiheadAttention has.",
    differs=(
        "The paper writes no biases, and the authors' tensor2tensor has none; most copies, and torch, have them.",
        "The bias of the keys adds the same to all scores of a query, so the softmax cancels it.",
        "Copies that fill masked scores with −1e9 attend evenly where nothing is kept, and torch returns NaN; here the "
        "weights are 0.",
        "torch.nn.MultiheadAttention takes a mask that is True at what is left out; here True is kept.",
    ),
    cost=cost,
)
