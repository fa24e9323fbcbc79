"""Recurrent decoders that look at the image before every word, from the authors and from a popular copy.

Paper: Xu et al., Show, Attend and Tell, ICML 2015, arXiv:1502.03044, section 3.1.2.
"""

import torch
from torch import Tensor, nn


class AttentiveLSTM(nn.Module):
    """Run an LSTM that reads, besides its input, what an attention returns for its last state.

    `i, f, o, g = W x + V z + U h + b`, `c' = σ(f) c + σ(i) tanh(g)`, `h' = σ(o) tanh(c')` with `z` the context.
    Shapes: (B, T, in), (B, N, M), state and cell (B, hidden) → states and cells (B, T, hidden), weights and choices
    (B, T, N), contexts (B, T, M).

    Args:
        attention: Attends to the memory; returns contexts, weights and choices, and has `project`.
        in_features: Width of an input, such as a word's embedding.
        hidden_features: Width of the state, which is the query.
        memory_features: M.
    """

    def __init__(self, attention: nn.Module, *, in_features: int, hidden_features: int, memory_features: int) -> None:
        super().__init__()
        self.attention = attention
        self.input = nn.Linear(in_features, 4 * hidden_features)
        self.context = nn.Linear(memory_features, 4 * hidden_features, bias=False)
        self.state = nn.Linear(hidden_features, 4 * hidden_features, bias=False)

    def forward(
        self, x: Tensor, memory: Tensor, state: Tensor, cell: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return what all steps made; where `mask` (B, T) is False, state and cell stay."""
        projected = self.attention.project(memory)  # type: ignore[operator]
        steps = []
        for t in range(x.shape[1]):
            context, weights, choice = (y[:, 0] for y in self.attention(state[:, None], memory, projected=projected))
            i, f, o, g = (self.input(x[:, t]) + self.context(context) + self.state(state)).chunk(4, dim=-1)
            new_cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            new_state = o.sigmoid() * new_cell.tanh()
            if mask is not None:
                keep = mask[:, t, None]
                new_cell, new_state = torch.where(keep, new_cell, cell), torch.where(keep, new_state, state)
            state, cell = new_state, new_cell
            steps.append((state, cell, weights, choice, context))
        return tuple(torch.stack(parts, dim=1) for parts in zip(*steps, strict=True))


class CaptionDecoder(nn.Module):
    """Predict each next word of a caption from the word before, the state, and where the state looks.

    Shapes: (B, N, M), (B, T) → logits (B, T − 1, words), weights (B, T − 1, N), both 0 after the end of a caption.

    Args:
        attention: Attends to the memory; returns contexts, weights and choices, and has `project`.
        vocabulary: Number of words.
        embedding_features: Width of a word's embedding.
        hidden_features: Width of the state, which is the query.
        memory_features: M.
        dropout: Probability that a feature of the state is dropped before it is classified.
    """

    def __init__(
        self,
        attention: nn.Module,
        *,
        vocabulary: int,
        embedding_features: int,
        hidden_features: int,
        memory_features: int,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.embedding = nn.Embedding(vocabulary, embedding_features)
        self.cell = nn.LSTMCell(embedding_features + memory_features, hidden_features)
        self.initial_state = nn.Linear(memory_features, hidden_features)
        self.initial_cell = nn.Linear(memory_features, hidden_features)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(hidden_features, vocabulary)

    def forward(self, memory: Tensor, captions: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the words after the first, and where each was looked for.

        Args:
            memory: Features of the locations, (B, N, M).
            captions: Indices of words, (B, T), from the start token on.
            lengths: Words of each caption, start and end tokens among them, (B,).
        """
        mean = memory.mean(dim=1)
        state, cell = self.initial_state(mean), self.initial_cell(mean)
        projected, words = self.attention.project(memory), self.embedding(captions)  # type: ignore[operator]
        logits, weights = [], []
        for t in range(captions.shape[1] - 1):
            context, weight, _ = self.attention(state[:, None], memory, projected=projected)
            state, cell = self.cell(torch.cat((words[:, t], context[:, 0]), dim=1), (state, cell))
            going = (t < lengths - 1)[:, None]
            logits.append(self.classify(self.dropout(state)) * going)
            weights.append(weight[:, 0] * going)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)
