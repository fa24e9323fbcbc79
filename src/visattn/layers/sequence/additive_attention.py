"""Additive attention: a small network scores each member of a set for a query, and a softmax weighs the members.

Paper: Bahdanau et al., Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015,
arXiv:1409.0473, eq. 5-6 and A.1.2.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.sequence.additive_scores import AdditiveScores, scores_macs, scores_params
from visattn.layers.sequence.conditional_gru import ConditionalGRU
from visattn.layers.sequence.masked_softmax import masked_softmax


class AdditiveAttention(nn.Module):
    """Return for each query the mean of the members of a set, weighed by how well they match the query.

    `e_ij = vᵀ tanh(W q_i + U m_j + b) + c`, `α_ij = softmax_j(e_ij)`, `y_i = Σ_j α_ij m_j` (Bahdanau et al., eq. 5-6).
    Shapes: (B, L, Q), (B, N, M) → (B, L, M), (B, L, N). Cost: (L·Q + N·M + L·N)·A + L·N·M MACs.

    Args:
        query_features: Q.
        memory_features: M.
        attention_features: A, the hidden units; None takes M.

    Raises:
        ShapeError: A size is below 1, or the mask does not fit.

    >>> attention = AdditiveAttention(8, 16)
    >>> context, weights = attention(torch.ones(2, 3, 8), torch.ones(2, 5, 16))
    >>> context.shape, weights.shape
    (torch.Size([2, 3, 16]), torch.Size([2, 3, 5]))
    """

    def __init__(self, query_features: int, memory_features: int, *, attention_features: int | None = None) -> None:
        super().__init__()
        hidden = memory_features if attention_features is None else attention_features
        require_positive(
            "additive_attention",
            query_features=query_features,
            memory_features=memory_features,
            attention_features=hidden,
        )
        self.scores = AdditiveScores(query_features, memory_features, hidden)
        nn.init.normal_(self.scores.query.weight, std=0.001)
        nn.init.normal_(self.scores.memory.weight, std=0.001)
        for zero in (self.scores.memory.bias, self.scores.score.weight, self.scores.score.bias):
            nn.init.zeros_(zero)

    def project(self, memory: Tensor) -> Tensor:
        """Return what `forward` takes as `projected`: computed once, it serves every step of a decoder."""
        return self.scores.project(memory)

    def forward(
        self, query: Tensor, memory: Tensor, mask: Tensor | None = None, *, projected: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the contexts and the weights; `mask` is True at the members that count, (B, N) or (B, L, N)."""
        projected = self.project(memory) if projected is None else projected
        weights = masked_softmax(self.scores(query, projected), mask)
        return torch.matmul(weights, memory), weights


def cost(
    query_features: int, memory_features: int, queries: int, members: int, *, attention_features: int | None = None
) -> Cost:
    """Closed-form cost of `AdditiveAttention` for one set of `members` and so many `queries`."""
    hidden = memory_features if attention_features is None else attention_features
    return Cost(
        params=scores_params(query_features, memory_features, hidden),
        macs=scores_macs(query_features, memory_features, hidden, queries, members)
        + queries * members * memory_features,
    )


def _recurrent(nin: int, dim: int, dimctx: int) -> ConditionalGRU:
    return ConditionalGRU(AdditiveAttention(dim, dimctx), in_features=nin, hidden_features=dim, memory_features=dimctx)


def _attend_time_major(module: nn.Module, memory: Tensor, state: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    context, weights = module(state[:, None], memory.transpose(0, 1), mask.T.bool())
    return context[:, 0], weights[:, 0]


def _run_time_major(
    module: nn.Module, x: Tensor, memory: Tensor, state: Tensor, mask: Tensor, memory_mask: Tensor
) -> tuple[Tensor, ...]:
    outputs = module(x.transpose(0, 1), memory.transpose(0, 1), state, mask.T.bool(), memory_mask.T.bool())
    return tuple(y.transpose(0, 1) for y in outputs)


_NMT = "kyunghyuncho/dl4mt-tutorial:session2/nmt.py:gru_cond_layer"
_KEYS = {
    "W_comb_att": "scores.query.weight",
    "Wc_att": "scores.memory.weight",
    "b_att": "scores.memory.bias",
    "U_att": "scores.score.weight",
    "c_tt": "scores.score.bias",
}
_CELLS = {
    "W": "first.input_gates.weight",
    "b": "first.input_gates.bias",
    "U": "first.state_gates.weight",
    "Wx": "first.input_candidate.weight",
    "bx": "first.input_candidate.bias",
    "Ux": "first.state_candidate.weight",
    "U_nl": "second.state_gates.weight",
    "b_nl": "second.state_gates.bias",
    "Ux_nl": "second.state_candidate.weight",
    "bx_nl": "second.state_candidate.bias",
    "Wc": "second.input_gates.weight",
    "Wcx": "second.input_candidate.weight",
}

SPEC = Spec(
    name="additive_attention",
    role=Role.SEQUENCE,
    family="sequence",
    summary="A small network scores each member of a set for a query; the softmax of the scores weighs the members.",
    build=AdditiveAttention,
    maths=(
        "e_ij = vᵀ tanh(W q_i + U m_j + b) + c",
        "α_ij = exp(e_ij) / Σ_k exp(e_ik), over the members k that the mask keeps",
        "y_i = Σ_j α_ij m_j",
    ),
    paper=Paper(
        title="Neural Machine Translation by Jointly Learning to Align and Translate",
        authors="Bahdanau, Cho, Bengio",
        venue="ICLR",
        year=2015,
        arxiv="1409.0473",
    ),
    official=(
        Official(
            source=f"{_NMT} (attention lines)",
            licence="BSD-3-Clause",
            build=lambda dimctx, dim: AdditiveAttention(dim, dimctx),
            keys=_KEYS,
            transposed=True,
            call=_attend_time_major,
        ),
        Official(
            source=_NMT,
            licence="BSD-3-Clause",
            build=_recurrent,
            keys={f"decoder_{k}": f"attention.{v}" for k, v in _KEYS.items()}
            | {f"decoder_{k}": v for k, v in _CELLS.items()},
            transposed=True,
            call=_run_time_major,
        ),
    ),
    options={"attention_features": "A, the hidden units of the scoring network; None takes the members' width"},
    default_reason="As many hidden units as the members have features: the authors' code, and 1000 in the paper.",
    differs=(
        "The paper leaves its biases out for readability; the authors' code has b, and c, which the softmax cancels.",
        "The paper attends with the decoder's last state, the authors' later code after it has read the last word.",
        "The authors' code takes exp(e) with no maximum subtracted, so it overflows for large scores; here it cannot.",
        "Where a mask keeps no member the code divides 0 by 0; here all weights, and the context, are 0.",
        "v starts at 0, so all members weigh the same at first and only v has a gradient at the first step.",
    ),
    cost=cost,
)
