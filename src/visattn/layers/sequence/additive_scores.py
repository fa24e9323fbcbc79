"""How well a query and a member of a set match: a network with one hidden layer.

Paper: Bahdanau et al., Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015, A.1.2.
"""

from typing import Literal, get_args

from torch import Tensor, nn

from visattn.core.checks import require_choice

Activation = Literal["tanh", "relu"]


class AdditiveScores(nn.Module):
    """Score every member of a set for every query: `e_ij = vᵀ act(W q_i + U m_j + b) + c`.

    Shapes: (B, L, Q) queries and (B, N, A) projected members → (B, L, N). The projection `U m_j + b` does not depend
    on the query, so a decoder computes it once for all its steps.

    Args:
        query_features: Q.
        memory_features: M.
        attention_features: A, the hidden units.
        activation: "tanh" or "relu".
        query_bias: A second bias, with the query; the two add up to one.
        depth: Layers on the members; all after the first are `tanh(A → A)`.

    Raises:
        ConfigError: `activation` is unknown.
    """

    def __init__(
        self,
        query_features: int,
        memory_features: int,
        attention_features: int,
        *,
        activation: Activation = "tanh",
        query_bias: bool = False,
        depth: int = 1,
    ) -> None:
        super().__init__()
        require_choice("additive scores", get_args(Activation), activation=activation)
        self.activation = activation
        self.query = nn.Linear(query_features, attention_features, bias=query_bias)
        self.memory = nn.Linear(memory_features, attention_features)
        self.deeper = nn.ModuleList(nn.Linear(attention_features, attention_features) for _ in range(depth - 1))
        self.score = nn.Linear(attention_features, 1)

    def project(self, memory: Tensor) -> Tensor:
        """Return the part of the hidden layer that the members alone decide, (B, N, M) → (B, N, A)."""
        hidden: Tensor = self.memory(memory)
        for layer in self.deeper:
            hidden = layer(hidden).tanh()
        return hidden

    def forward(self, query: Tensor, projected: Tensor) -> Tensor:
        """Return the scores of all pairs."""
        hidden = self.query(query)[:, :, None] + projected[:, None]
        hidden = hidden.tanh() if self.activation == "tanh" else hidden.relu()
        scores: Tensor = self.score(hidden)
        return scores.squeeze(-1)

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"activation={self.activation!r}"


def scores_params(query_features: int, memory_features: int, attention_features: int) -> int:
    """Return the number of parameters of `AdditiveScores` of depth 1 without a bias of the query."""
    return (query_features + memory_features + 2) * attention_features + 1


def scores_macs(query_features: int, memory_features: int, attention_features: int, queries: int, members: int) -> int:
    """Return the MACs of `AdditiveScores` of depth 1 for one set."""
    pairs = queries * members
    return (queries * query_features + members * memory_features + pairs) * attention_features
