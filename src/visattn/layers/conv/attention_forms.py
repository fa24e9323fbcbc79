"""The forms of attention that ACmix may have, each a function of q, k and v.

Paper: Pan et al., On the Integration of Self-Attention and Convolution, CVPR 2022, arXiv:2111.14556.
"""

from typing import Literal

from torch import Tensor, nn

from visattn.core.spec import Cost
from visattn.layers.conv.coordinates import coordinates
from visattn.layers.conv.geometry import Geometry
from visattn.layers.conv.neighbourhood import neighbours, require_mirror
from visattn.layers.conv.partition_attention import PartitionAttention
from visattn.layers.conv.vector_attention import PairwiseWeights, PatchwiseWeights, weighted_sum
from visattn.layers.conv.window_attention import window_attention

Form = Literal["local", "window", "global", "patchwise", "pairwise"]


class LocalForm(nn.Module):
    """Attention of every `stride`-th pixel to the window around it: `softmax_j(q_i · (k_j + p_i − p_j) / √d) v_j`.

    p is a learned linear map of the coordinates, the border is mirrored, and the term with `p_i` cancels.
    """

    def __init__(self, depth: int, heads: int, window: int, stride: int, tile: int) -> None:
        super().__init__()
        self.geometry = Geometry(kernel_size=window, stride=stride, padding=window // 2, dilation=1)
        self.heads = heads
        self.tile = tile
        self.position = nn.Conv2d(2, depth, 1)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what each pixel gathers from around it; the channels of a head are next to each other."""
        require_mirror("acmix", k, self.geometry)
        apart = (len(q) * self.heads, -1)
        q = q[..., :: self.geometry.stride, :: self.geometry.stride]
        y = window_attention(
            q.reshape(*apart, *q.shape[2:]),
            k.reshape(*apart, *k.shape[2:]) - self.position(coordinates(k)),
            v.reshape(*apart, *v.shape[2:]),
            window=self.geometry.kernel_size,
            stride=self.geometry.stride,
            tile=self.tile,
        )
        return y.reshape(q.shape)

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"heads={self.heads}, window={self.geometry.kernel_size}, tile={self.tile}"


class WindowForm(nn.Module):
    """`PartitionAttention`, of which every `stride`-th pixel is kept."""

    def __init__(self, heads: int, window: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.partition = PartitionAttention(heads, window)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what each pixel gathers from its window."""
        y: Tensor = self.partition(q, k, v)
        return y[..., :: self.stride, :: self.stride]


class GlobalForm(nn.Module):
    """Attention to all pixels: `softmax_j(q_i · k_j / √d) v_j`, for every `stride`-th pixel i."""

    def __init__(self, heads: int, stride: int) -> None:
        super().__init__()
        self.heads = heads
        self.stride = stride

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what each pixel gathers from all."""
        q = q[..., :: self.stride, :: self.stride]
        y = nn.functional.scaled_dot_product_attention(self._apart(q), self._apart(k), self._apart(v))
        return y.transpose(2, 3).reshape(q.shape)

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"heads={self.heads}"

    def _apart(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), self.heads, -1, x.shape[2] * x.shape[3]).transpose(2, 3)


class VectorForm(nn.Module):
    """`PatchwiseWeights` or `PairwiseWeights` for every `stride`-th pixel, one per head and neighbour."""

    def __init__(self, weights: PatchwiseWeights | PairwiseWeights, geometry: Geometry) -> None:
        super().__init__()
        self.weights = weights
        self.geometry = geometry

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what each pixel gathers from its neighbourhood."""
        require_mirror("acmix", k, self.geometry)
        q = q[..., :: self.geometry.stride, :: self.geometry.stride]
        return weighted_sum(self.weights(q, k), neighbours(v, self.geometry)).reshape(q.shape)


def build_form(form: Form, channels: int, heads: int, window: int, stride: int, tile: int) -> nn.Module:
    """Return the attention of q, k and v of `channels` channels; `window` and `tile` only where a form has them."""
    geometry = Geometry(kernel_size=window, stride=stride, padding=window // 2, dilation=1)
    match form:
        case "local":
            return LocalForm(channels // heads, heads, window, stride, tile)
        case "window":
            return WindowForm(heads, window, stride)
        case "global":
            return GlobalForm(heads, stride)
        case "patchwise":
            return VectorForm(PatchwiseWeights(channels, heads, geometry), geometry)
        case "pairwise":
            return VectorForm(PairwiseWeights(channels, heads, geometry), geometry)


def form_cost(
    form: Form, channels: int, heads: int, window: int, stride: int, tile: int, height: int, width: int
) -> Cost:
    """Closed-form cost of a form for one image."""
    rows, columns = -(-height // stride), -(-width // stride)
    pixels, queries, taps = height * width, rows * columns, window**2
    match form:
        case "local":
            depth = channels // heads
            whole = -(-rows // tile) * -(-columns // tile) * tile**2
            keys = (stride * (tile - 1) + window) ** 2
            return Cost(params=3 * depth, macs=2 * depth * pixels + 2 * channels * whole * keys)
        case "window":
            covered = -(-height // window) * -(-width // window) * taps
            return Cost(params=(2 * window - 1) ** 2 * heads, macs=2 * channels * covered * taps)
        case "global":
            return Cost(params=0, macs=2 * channels * queries * pixels)
        case "patchwise":
            inputs, outputs = channels * (taps + 1), heads * taps
            mapping = (inputs + outputs) * heads
            return Cost(params=2 * (inputs + heads) + mapping + outputs, macs=(mapping + channels * taps) * queries)
        case "pairwise":
            mapping = (channels + 2 + heads) * channels
            return Cost(
                params=6 + 2 * (2 * channels + 2) + mapping + heads,
                macs=4 * pixels + (mapping + channels) * taps * queries,
            )
