"""Gates that are computed from a covariance matrix, one per channel or one per position.

Paper: Gao et al., Global Second-order Pooling Convolutional Networks, CVPR 2019, arXiv:1811.12006, section 3.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

GRID = 8


def covariance(x: Tensor) -> Tensor:
    """Return the covariance of the rows of `x`, (B, n, m) → (B, n, n), divided by m.

    >>> covariance(torch.tensor([[[1.0, 3.0], [2.0, 0.0]]])).tolist()
    [[[1.0, -1.0], [-1.0, 1.0]]]
    """
    centred = x - x.mean(dim=2, keepdim=True)
    return torch.matmul(centred, centred.transpose(1, 2)) / x.shape[2]


def published_covariance(x: Tensor) -> Tensor:
    """Return what the authors' spatial gate takes for the covariance: n in the place of m, (B, n, m) → (B, n, n).

    `x xᵀ / n − s sᵀ / n²` with `s` the sums of the rows; the covariance if n is m, and not centred otherwise.

    >>> published_covariance(torch.tensor([[[1.0, 3.0], [2.0, 0.0]]])).tolist()
    [[[1.0, -1.0], [-1.0, 1.0]]]
    """
    rows, sums = x.shape[1], x.sum(dim=2, keepdim=True)
    return torch.matmul(x, x.transpose(1, 2)) / rows - sums * sums.transpose(1, 2) / rows**2


class RowEmbedding(nn.Module):
    """Turn each row of an n×n matrix into 4 numbers, and these 4·n into the logits of a gate.

    `W · act(row-wise conv(row-wise BN(M)))`. Shapes: (B, n, n) → (B, out).

    Args:
        size: n.
        out: Number of logits.
        activation: Between the row-wise convolution and W.
    """

    def __init__(self, size: int, out: int, activation: nn.Module) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(size)
        self.rows = nn.Conv2d(size, 4 * size, (size, 1), groups=size)
        self.activation = activation
        self.expand = nn.Conv2d(4 * size, out, 1)

    def forward(self, matrix: Tensor) -> Tensor:
        """Return the logits of `matrix`."""
        logits: Tensor = self.expand(self.activation(self.rows(self.norm(matrix[..., None]))))
        return logits.flatten(1)


class ChannelCovariance(nn.Module):
    """The gate per channel, from the covariance of d reduced channels over all positions.

    Shapes: (B, C, H, W) → (B, C, 1, 1).
    """

    def __init__(self, channels: int, dim: int, stride: int, activation: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, dim, 1, stride)
        self.norm = nn.BatchNorm2d(dim)
        self.embed = RowEmbedding(dim, channels, activation)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gate of `x`."""
        u = self.norm(self.reduce(x.relu())).relu()
        gate: Tensor = self.embed(covariance(u.flatten(2))).sigmoid()
        return gate[:, :, None, None]


class SpatialCovariance(nn.Module):
    """The gate per position, from the covariance of 8×8 cells over d reduced channels.

    Shapes: (B, C, H, W) → (B, 1, H, W).
    """

    def __init__(
        self, channels: int, dim: int, activation: nn.Module, relate: Callable[[Tensor], Tensor] = covariance
    ) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, dim, 1)
        self.norm = nn.BatchNorm2d(dim)
        self.relate = relate
        self.embed = RowEmbedding(GRID**2, GRID**2, activation)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gate of `x`."""
        cells = nn.functional.adaptive_avg_pool2d(self.norm(self.reduce(x.relu())), GRID)
        gate: Tensor = self.embed(self.relate(cells.flatten(2).transpose(1, 2))).sigmoid()
        return nn.functional.adaptive_avg_pool2d(gate.reshape(-1, 1, GRID, GRID), (x.shape[2], x.shape[3]))


def embedding_params(size: int, out: int) -> int:
    """Return the number of parameters of a `RowEmbedding`.

    >>> embedding_params(5, 7) == sum(p.numel() for p in RowEmbedding(5, 7, nn.ReLU()).parameters())
    True
    """
    return 4 * size**2 + 6 * size + 4 * size * out + out
