"""Attention weights that are vectors over groups of channels, and the sum over a neighbourhood that uses them.

Paper: Zhao et al., Exploring Self-attention for Image Recognition, CVPR 2020, arXiv:2004.13621, eq. 2-7.
"""

import torch
from torch import Tensor, nn

from visattn.layers.conv.coordinates import coordinates
from visattn.layers.conv.geometry import Geometry
from visattn.layers.conv.neighbourhood import neighbours


def _mapping(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, hidden, 1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.ReLU(),
        nn.Conv2d(hidden, outputs, 1),
    )


class PairwiseWeights(nn.Module):
    """Weights from the difference of a pixel and each neighbour: `softmax_j(γ([q_i − k_j; P p_i − P p_j]))`.

    γ is batch norm, ReLU, linear, batch norm, ReLU, linear; p are the coordinates and P is a linear map.
    Shapes: q (B, R, H', W'), k (B, R, H, W) → (B, G, k², H'·W').
    """

    def __init__(self, relation: int, groups: int, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.position = nn.Conv2d(2, 2, 1)
        self.mapping = _mapping(relation + 2, relation, groups)

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Return the weights of each query's neighbours."""
        p = self.position(coordinates(k))
        own = p[:, :, :: self.geometry.stride, :: self.geometry.stride]
        relation = q.flatten(2)[:, :, None] - neighbours(k, self.geometry)
        offset = own.flatten(2)[:, :, None] - neighbours(p, self.geometry)
        logits: Tensor = self.mapping(torch.cat((relation, offset.expand(len(q), -1, -1, -1)), dim=1))
        return logits.softmax(dim=2)


class PatchwiseWeights(nn.Module):
    """Weights from a pixel and all its neighbours at once: `γ([q_i; k_j for all j])`, without a softmax.

    γ is batch norm, ReLU, linear, batch norm, ReLU, linear.
    Shapes: q (B, R, H', W'), k (B, R, H, W) → (B, G, k², H'·W').
    """

    def __init__(self, relation: int, groups: int, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        taps = geometry.kernel_size**2
        self.mapping = _mapping(relation * (taps + 1), groups, groups * taps)

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Return the weights of each query's neighbours."""
        around = neighbours(k, self.geometry)
        patch = torch.cat((q.flatten(2), around.flatten(1, 2)), dim=1)
        weights: Tensor = self.mapping(patch[:, :, None])
        return weights.reshape(len(q), -1, *around.shape[2:])


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Return `y[c] = Σ_p weights[c mod G, p] · values[c, p]`: (B, G, k², N) and (B, C, k², N) → (B, C, N).

    Channels whose numbers are equal modulo G share their weights; G divides C.
    """
    apart = values.reshape(values.shape[0], -1, *weights.shape[1:])
    y = apart.permute(0, 2, 4, 1, 3) @ weights.permute(0, 1, 3, 2)[..., None]
    return y.squeeze(-1).permute(0, 3, 1, 2).flatten(1, 2)
