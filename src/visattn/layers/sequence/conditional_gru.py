"""A decoder that reads a word, attends, and reads what it attended to: two GRU cells with an attention between.

Code: kyunghyuncho/dl4mt-tutorial, the authors' later form of the decoder of Bahdanau et al., arXiv:1409.0473.
"""

import torch
from torch import Tensor, nn


class GRUStep(nn.Module):
    """One step of a GRU: `r, u = σ(V x + U h)`, `h' = u · h + (1 − u) · tanh(V' x + r · U' h)`.

    Shapes: (B, in), (B, hidden) → (B, hidden).

    Args:
        in_features: Width of x.
        hidden_features: Width of the state.
        state_bias: The biases are those of U and U', so that r scales the second, instead of those of V and V'.
    """

    def __init__(self, in_features: int, hidden_features: int, *, state_bias: bool) -> None:
        super().__init__()
        self.input_gates = nn.Linear(in_features, 2 * hidden_features, bias=not state_bias)
        self.state_gates = nn.Linear(hidden_features, 2 * hidden_features, bias=state_bias)
        self.input_candidate = nn.Linear(in_features, hidden_features, bias=not state_bias)
        self.state_candidate = nn.Linear(hidden_features, hidden_features, bias=state_bias)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Return the next state."""
        gates: Tensor = self.input_gates(x) + self.state_gates(state)
        reset, update = gates.sigmoid().chunk(2, dim=-1)
        candidate: Tensor = self.input_candidate(x) + reset * self.state_candidate(state)
        return update * state + (1 - update) * candidate.tanh()


class ConditionalGRU(nn.Module):
    """Run a decoder over its inputs: a GRU reads each, its state queries the memory, a second GRU reads the answer.

    Shapes: (B, T, in), (B, N, M), (B, hidden) → states (B, T, hidden), contexts (B, T, M), weights (B, T, N).

    Args:
        attention: Attends to the memory; has `project` as `AdditiveAttention` has.
        in_features: Width of an input, such as a word's embedding.
        hidden_features: Width of the state, which is the query.
        memory_features: M.
    """

    def __init__(self, attention: nn.Module, *, in_features: int, hidden_features: int, memory_features: int) -> None:
        super().__init__()
        self.attention = attention
        self.first = GRUStep(in_features, hidden_features, state_bias=False)
        self.second = GRUStep(memory_features, hidden_features, state_bias=True)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        state: Tensor,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return states, contexts and weights of all steps; where `mask` (B, T) is False the state stays."""
        projected = self.attention.project(memory)  # type: ignore[operator]
        steps = []
        for t in range(x.shape[1]):
            keep = None if mask is None else mask[:, t, None]
            state = _where(keep, self.first(x[:, t], state), state)
            context, weights = self.attention(state[:, None], memory, memory_mask, projected=projected)
            state = _where(keep, self.second(context[:, 0], state), state)
            steps.append((state, context[:, 0], weights[:, 0]))
        states, contexts, all_weights = (torch.stack(parts, dim=1) for parts in zip(*steps, strict=True))
        return states, contexts, all_weights


def _where(keep: Tensor | None, new: Tensor, old: Tensor) -> Tensor:
    return new if keep is None else torch.where(keep, new, old)
