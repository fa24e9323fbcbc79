"""Show, Attend and Tell: soft or hard additive attention over image locations, with a gate on what is seen.

Paper: Xu et al., Show, Attend and Tell: Neural Image Caption Generation with Visual Attention, ICML 2015,
arXiv:1502.03044, sections 4.1 and 4.2. The losses that go with it are in `caption_losses`.
"""

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.errors import ConfigError
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.sequence.additive_scores import AdditiveScores, scores_macs, scores_params
from visattn.layers.sequence.caption_decoders import AttentiveLSTM, CaptionDecoder
from visattn.layers.sequence.caption_losses import doubly_stochastic_penalty, hard_attention_loss
from visattn.layers.sequence.masked_softmax import masked_softmax

__all__ = ["SPEC", "ShowAttendTell", "cost", "doubly_stochastic_penalty", "hard_attention_loss"]

Kind = Literal["soft", "hard"]
Draw = Literal["sample", "argmax"]
Variant = Literal["paper", "sgrvinod"]


class ShowAttendTell(nn.Module):
    """Look at the locations of an image for each query: at all, weighed, or at one, drawn; then gate what was seen.

    `α_i = softmax(f(q) over the locations)` with f of Bahdanau et al.; soft: `z_i = β_i Σ_j α_ij m_j` (eq. 13), hard:
    `z_i = β_i m_s` with `s ~ α_i` (eq. 8-9); `β_i = σ(w q_i + b)` (section 4.2.1). A hard draw has no gradient, so `α`
    learns by `hard_attention_loss`; outside training the most probable location is taken.
    Shapes: (B, L, Q), (B, N, M) → (B, L, M), (B, L, N), (B, L, N). Cost: as additive attention, and L·Q for β.

    Args:
        query_features: Q.
        memory_features: M.
        attention_features: A, the hidden units; None takes M.
        kind: "soft" or "hard".
        gate: Multiply by β.
        draw: What hard attention takes in training, a "sample" or the "argmax".
        expected: Probability, for each image, that hard attention takes all locations weighed in place of a sample.
        depth: Layers on the members before they meet the query.
        variant: See `SPEC.variants`.

    Raises:
        ShapeError: A size is below 1, or the mask does not fit.
        ConfigError: `kind`, `draw` or `variant` is unknown, or `expected` is no probability.

    >>> attention = ShowAttendTell(8, 16, kind="hard").eval()
    >>> context, weights, choice = attention(torch.ones(2, 3, 8), torch.ones(2, 5, 16))
    >>> context.shape, choice.sum(dim=2).unique()
    (torch.Size([2, 3, 16]), tensor([1.]))
    """

    def __init__(
        self,
        query_features: int,
        memory_features: int,
        *,
        attention_features: int | None = None,
        kind: Kind = "soft",
        gate: bool = True,
        draw: Draw = "sample",
        expected: float = 0.5,
        depth: int = 1,
        variant: Variant = "paper",
    ) -> None:
        super().__init__()
        hidden = memory_features if attention_features is None else attention_features
        sizes = {"query_features": query_features, "memory_features": memory_features}
        require_positive("show_attend_tell", **sizes, attention_features=hidden, depth=depth)
        require_choice("show_attend_tell", get_args(Kind), kind=kind)
        require_choice("show_attend_tell", get_args(Draw), draw=draw)
        require_choice("show_attend_tell", get_args(Variant), variant=variant)
        if not 0 <= expected <= 1:
            raise ConfigError(f"show_attend_tell got expected={expected}", hint="pass a probability; the paper has 0.5")
        self.kind, self.draw, self.expected = kind, draw, expected
        copy = variant == "sgrvinod"
        activation: Literal["tanh", "relu"] = "relu" if copy else "tanh"
        self.scores = AdditiveScores(
            query_features, memory_features, hidden, activation=activation, query_bias=copy, depth=depth
        )
        self.gate = nn.Linear(query_features, memory_features if copy else 1) if gate else None
        if not copy:
            for name, parameter in self.named_parameters():
                nn.init.zeros_(parameter) if name.endswith("bias") else nn.init.normal_(parameter, std=0.01)

    def project(self, memory: Tensor) -> Tensor:
        """Return what `forward` takes as `projected`: computed once, it serves every step of a decoder."""
        return self.scores.project(memory)

    def beta(self, query: Tensor) -> Tensor:
        """Return the gate of each query, (B, L, 1) or, of the variant "sgrvinod", (B, L, M)."""
        return torch.ones_like(query[..., :1]) if self.gate is None else self.gate(query).sigmoid()

    def choose(self, weights: Tensor) -> Tensor:
        """Return the one-hot locations of hard attention, or, of a soft one, the weights."""
        if self.kind == "soft":
            return weights
        if not self.training or self.draw == "argmax":
            return nn.functional.one_hot(weights.argmax(dim=2), weights.shape[2]).to(weights)
        # an exponential race draws each location with its weight, and, unlike multinomial, takes rows of zeros
        race = weights / torch.empty_like(weights).exponential_()
        drawn = nn.functional.one_hot(race.argmax(dim=2), weights.shape[2]).to(weights)
        soft = torch.rand(weights.shape[0], 1, 1, device=weights.device) < self.expected
        return torch.where(soft, weights, drawn)

    def forward(
        self, query: Tensor, memory: Tensor, mask: Tensor | None = None, *, projected: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return contexts, weights and choices; `mask` is True at the members that count, (B, N) or (B, L, N)."""
        projected = self.project(memory) if projected is None else projected
        weights = masked_softmax(self.scores(query, projected), mask)
        choice = self.choose(weights)
        return self.beta(query) * torch.matmul(choice, memory), weights, choice

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"kind={self.kind!r}, draw={self.draw!r}, expected={self.expected}"


def cost(
    query_features: int,
    memory_features: int,
    queries: int,
    members: int,
    *,
    attention_features: int | None = None,
    kind: Kind = "soft",
    gate: bool = True,
    draw: Draw = "sample",
    expected: float = 0.5,
    depth: int = 1,
    variant: Variant = "paper",
) -> Cost:
    """Closed-form cost of `ShowAttendTell` for one set of `members` and so many `queries`."""
    hidden = memory_features if attention_features is None else attention_features
    copy = variant == "sgrvinod"
    gates = (memory_features if copy else 1) * gate
    return Cost(
        params=scores_params(query_features, memory_features, hidden)
        + hidden * copy
        + (depth - 1) * (hidden + 1) * hidden
        + gates * (query_features + 1),
        macs=scores_macs(query_features, memory_features, hidden, queries, members)
        + (depth - 1) * members * hidden**2
        + queries * (gates * query_features + members * memory_features),
    )


def _theano_lstm(
    nin: int,
    dim: int,
    dimctx: int,
    selector: bool = False,
    n_layers_att: int = 1,
    attn_type: str = "deterministic",
    argmax: bool = False,
) -> AttentiveLSTM:
    kind: Kind = "hard" if attn_type == "stochastic" else "soft"
    draw: Draw = "argmax" if argmax else "sample"
    attention = ShowAttendTell(dim, dimctx, kind=kind, gate=selector, draw=draw, depth=n_layers_att)
    return AttentiveLSTM(attention, in_features=nin, hidden_features=dim, memory_features=dimctx)


def _run_time_major(
    module: Any, x: Tensor, memory: Tensor, state: Tensor, cell: Tensor, mask: Tensor
) -> tuple[Tensor, ...]:
    outputs = module(x.transpose(0, 1), memory, state, cell, mask.T.bool())
    if module.attention.gate is not None:
        # a gate reads the state before the step
        before = torch.cat((state[:, None], outputs[0][:, :-1]), dim=1)
        outputs = (*outputs, module.attention.beta(before)[..., 0])
    return tuple(y.transpose(0, 1) for y in outputs)


def _copied_decoder(
    attention_dim: int,
    embed_dim: int,
    decoder_dim: int,
    vocab_size: int,
    encoder_dim: int = 2048,
    dropout: float = 0.5,
) -> CaptionDecoder:
    return CaptionDecoder(
        ShowAttendTell(decoder_dim, encoder_dim, attention_features=attention_dim, variant="sgrvinod"),
        vocabulary=vocab_size,
        embedding_features=embed_dim,
        hidden_features=decoder_dim,
        memory_features=encoder_dim,
        dropout=dropout,
    )


def _decode_sorted(module: nn.Module, features: Tensor, captions: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
    lengths, order = lengths.squeeze(1).sort(dim=0, descending=True)
    captions = captions[order]
    used = captions[:, : int(lengths[0])]
    logits, weights = module(features[order].flatten(1, -2), used, lengths)
    return logits, captions, weights, order


_SGRVINOD = "sgrvinod/a-PyTorch-Tutorial-to-Image-Captioning:models.py"
_COPY_KEYS = {"encoder_att.": "scores.memory.", "decoder_att.": "scores.query.", "full_att.": "scores.score."}
_LSTM_KEYS = {
    "W": "input.weight",
    "b": "input.bias",
    "U": "state.weight",
    "Wc": "context.weight",
    "Wd_att": "attention.scores.query.weight",
    "Wc_att": "attention.scores.memory.weight",
    "b_att": "attention.scores.memory.bias",
    "U_att": "attention.scores.score.weight",
    "c_tt": "attention.scores.score.bias",
    "W_sel": "attention.gate.weight",
    "b_sel": "attention.gate.bias",
}
_DEEPER_KEYS = {
    f"decoder_{letter}_att_{i}": f"attention.scores.deeper.{i - 1}.{part}"
    for i in range(1, 5)
    for letter, part in (("W", "weight"), ("b", "bias"))
}

SPEC = Spec(
    name="show_attend_tell",
    role=Role.SEQUENCE,
    family="sequence",
    summary="Additive attention over image locations: soft, all weighed, or hard, one drawn; then a gate.",
    build=ShowAttendTell,
    maths=(
        "α_i = softmax over the locations j of vᵀ tanh(W q_i + U m_j + b) + c",
        "soft: z_i = β_i Σ_j α_ij m_j;  hard: z_i = β_i m_s, s ~ α_i in training and the most probable location else",
        "β_i = σ(w q_i + b)",
        "soft loss: + λ Σ_j (1 − Σ_t α_tj)²;  hard loss: − λ_r (R − b) Σ_t log α_t(s_t) − λ_e Σ_t H(α_t)",
    ),
    paper=Paper(
        title="Show, Attend and Tell: Neural Image Caption Generation with Visual Attention",
        authors="Xu, Ba, Kiros, Cho, Courville, Salakhutdinov, Zemel, Bengio",
        venue="ICML",
        year=2015,
        arxiv="1502.03044",
    ),
    official=(
        Official(
            source="kelvinxu/arctic-captions:capgen.py:lstm_cond_layer",
            licence="BSD-3-Clause",
            build=_theano_lstm,
            keys={f"decoder_{k}": v for k, v in _LSTM_KEYS.items()} | _DEEPER_KEYS,
            transposed=True,
            call=_run_time_major,
        ),
        Official(
            source=f"{_SGRVINOD}:Attention",
            licence="MIT",
            build=lambda encoder_dim, decoder_dim, attention_dim: ShowAttendTell(
                decoder_dim, encoder_dim, attention_features=attention_dim, gate=False, variant="sgrvinod"
            ),
            keys=_COPY_KEYS,
            call=lambda m, memory, state: tuple(y[:, 0] for y in m(state[:, None], memory)[:2]),
        ),
        Official(
            source=f"{_SGRVINOD}:DecoderWithAttention",
            licence="MIT",
            build=_copied_decoder,
            keys={f"attention.{k}": f"attention.{v}" for k, v in _COPY_KEYS.items()}
            | {"f_beta.": "attention.gate.", "embedding.": "embedding.", "decode_step.": "cell."}
            | {"init_h.": "initial_state.", "init_c.": "initial_cell.", "fc.": "classify."},
            call=_decode_sorted,
        ),
    ),
    options={
        "attention_features": "A, the hidden units of the scoring network; None takes the members' width",
        "kind": "'soft' or 'hard'",
        "gate": "multiply what was seen by β",
        "draw": "what hard attention takes in training, a 'sample' or the 'argmax'",
        "expected": "probability, for each image, that hard attention trains on all locations weighed",
        "depth": "layers on the members before they meet the query",
        "variant": "which scoring network and gate",
    },
    variants={
        "paper": "tanh, one number per query as the gate: the paper and the authors' code",
        "sgrvinod": "ReLU, two biases, and one gate per feature: the copy most PyTorch captioners start from",
    },
    default_reason="Soft attention with the gate, which trains by the gradient alone.",
    differs=(
        "The authors' code draws once per batch whether hard attention samples, the paper once per image, as here.",
        "For hard attention at test time the authors' code takes the weighed mean unless told to take the argmax.",
        "sgrvinod's copy has ReLU for tanh and a gate of M numbers for one, and projects the image anew at every step.",
        "The penalty is the paper's sum over the locations; sgrvinod takes the mean, so its λ = 1 is 1/N of that.",
        "yunjey's copy pulls the sums over a caption to 16/196 instead of 1.",
    ),
    cost=cost,
)
