"""The gate of RGA: one value per node, from its relations to all nodes in both directions.

Paper: Zhang et al., Relation-Aware Global Attention for Person Re-identification, CVPR 2020, arXiv:1904.02998.
"""

import torch
from torch import Tensor, nn

from visattn.core.errors import ShapeError
from visattn.core.spec import Cost


class RelationGate(nn.Module):
    """Gate each of M nodes from its own F features and its affinities to and from all M nodes.

    `R = θ(x)ᵀ φ(x)`, `r_i = ρ([R_i,1..M; R_1..M,i])`, `a_i = σ(BN(W₂ relu(BN(W₁ [mean ψ(x_i); r_i]))))`; θ, φ, ψ and ρ
    are 1×1 convolutions without biases, each with batch norm and ReLU.
    Shapes: (B, F, M) → (B, 1, M). Cost per image: see `cost`.

    Args:
        features: F, for positions their channels, for channels their positions.
        nodes: M.
        feature_ratio: θ, φ and ψ have `max(1, F // feature_ratio)` units.
        node_ratio: ρ has `max(1, M // node_ratio)` units.
        down_ratio: W₁ has `max(1, (1 + units of ρ) // down_ratio)` units.

    >>> RelationGate(16, 35, feature_ratio=8, node_ratio=8, down_ratio=8)(torch.ones(2, 16, 35)).shape
    torch.Size([2, 1, 35])
    """

    def __init__(self, features: int, nodes: int, *, feature_ratio: int, node_ratio: int, down_ratio: int) -> None:
        super().__init__()
        embedded, related, hidden = _widths(features, nodes, feature_ratio, node_ratio, down_ratio)
        self.theta = _embedding(features, embedded)
        self.phi = _embedding(features, embedded)
        self.unary = _embedding(features, embedded)
        self.relations = _embedding(2 * nodes, related)
        self.score = nn.Sequential(
            *_embedding(1 + related, hidden), nn.Conv1d(hidden, 1, 1, bias=False), nn.BatchNorm1d(1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the gate of each node."""
        affinity = torch.matmul(self.theta(x).transpose(1, 2), self.phi(x))
        both_ways = torch.cat((affinity.transpose(1, 2), affinity), dim=1)
        known = torch.cat((self.unary(x).mean(dim=1, keepdim=True), self.relations(both_ways)), dim=1)
        gate: Tensor = self.score(known).sigmoid()
        return gate


def _embedding(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(inputs, outputs, 1, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())


def _widths(features: int, nodes: int, feature_ratio: int, node_ratio: int, down_ratio: int) -> tuple[int, int, int]:
    related = max(1, nodes // node_ratio)
    return max(1, features // feature_ratio), related, max(1, (1 + related) // down_ratio)


def require_positions(mechanism: str, x: Tensor, positions: int) -> None:
    """Raise `ShapeError` unless `x`, (B, C, H, W), has the number of positions that the weights were made for."""
    height, width = x.shape[2:]
    if height * width != positions:
        raise ShapeError(
            f"{mechanism} got a {height}×{width} map of {height * width} positions, expected {positions}",
            hint="its weights belong to positions: build it for this size, or resize the input",
        )


def cost(features: int, nodes: int, *, feature_ratio: int, node_ratio: int, down_ratio: int) -> Cost:
    """Closed-form cost of `RelationGate` for one image.

    >>> cost(256, 2048, feature_ratio=8, node_ratio=8, down_ratio=8).params
    1082178
    """
    embedded, related, hidden = _widths(features, nodes, feature_ratio, node_ratio, down_ratio)
    weights = 3 * features * embedded + 2 * nodes * related + (1 + related) * hidden + hidden
    norms = 2 * (3 * embedded + related + hidden + 1)
    return Cost(params=weights + norms, macs=nodes * (weights + nodes * embedded))
