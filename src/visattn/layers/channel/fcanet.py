"""FcaNet: multi-spectral channel attention, SE that pools with frequencies of the cosine transform.

Paper: Qin et al., FcaNet: Frequency Channel Attention Networks, ICCV 2021, arXiv:2012.11879, eq. 3-10.
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.errors import ConfigError, ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec

Selection = Literal["top", "low", "bottom"]
GRID = 7

# the authors' orders of the frequencies, each a pair of digits: cycles down the rows, cycles along the columns
_RANKED: dict[str, str] = {
    "top": "00 01 60 05 02 10 12 40 50 16 30 04 06 03 35 22 46 63 33 53 55 21 61 52 54 32 31 41 23 20 65 13",
    "low": "00 01 10 11 02 20 21 12 22 03 30 40 04 13 31 05 14 23 32 41 50 06 15 24 33 42 51 60 16 25 34 43",
    "bottom": "66 14 34 36 26 43 11 24 44 45 56 15 42 62 25 51 64 13 65 20 23 41 31 32 54 52 61 21 55 53 33 63",
}


def frequencies(selection: Selection = "top", count: int = 16) -> list[int]:
    """Return the first frequencies of a published order, each as u·7 + v for row frequency u and column frequency v.

    Args:
        selection: "top" is the authors' order by accuracy on ImageNet, "bottom" its worst end, "low" the lowest first.
        count: How many, 1 to 32; the paper compares the powers of 2.

    Raises:
        ConfigError: `selection` is unknown, or `count` is not 1 to 32.

    >>> frequencies("low", 4)
    [0, 1, 7, 8]
    """
    require_choice("fcanet", get_args(Selection), selection=selection)
    ranked = _RANKED[selection].split()
    if not 1 <= count <= len(ranked):
        raise ConfigError(f"fcanet got count={count}, expected 1 to {len(ranked)}", hint="the paper's best is 16")
    return [int(pair, GRID) for pair in ranked[:count]]


def cosine(frequency: int, size: int) -> Tensor:
    """Return one row of the orthonormal cosine transform (DCT-II), float64.

    >>> cosine(0, 4).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    phase = math.pi * frequency / size * (torch.arange(size, dtype=torch.float64) + 0.5)
    return phase.cos() * math.sqrt((2 if frequency else 1) / size)


class FcaNet(nn.Module):
    """Scale each channel by a gate computed from one frequency of that channel's cosine transform.

    The channels fall into n equal groups. `z_c = Σ_hw x_c · D_c`, with `D_c` the orthonormal two-dimensional basis
    function of the group's frequency, `s = σ(W₂ relu(W₁ z))` and `y = x · s` (Qin et al., eq. 7-10).
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: C·h·w + 2·C·hidden MACs for a transform of h×w.

    Args:
        channels: C, a multiple of the number of frequencies.
        reduction: r; the bottleneck has `max(1, C // r)` units.
        selection: "top", "low" or "bottom", see `frequencies`.
        count: Number of frequencies n, 1 to 32.
        frequency: Own choice in the place of `selection` and `count`: one frequency or several, each u·7 + v with u, v
            from 0 to 6. Training with each of 0 ... 48 alone is the first step of the paper's two-step selection.
        size: Height and width of the transform, at least 7; other sizes of `x` are average-pooled to it. Frequencies
            grow with it: (u, v) of the 7×7 grid is (2u, 2v) at 14×14. The authors' ResNets have 56, 28, 14 and 7.

    Raises:
        ShapeError: `channels` is no multiple of the number of frequencies, `channels` or `reduction` is below 1, or
            `size` is below 7.
        ConfigError: `selection`, `count` or `frequency` is none of the above.

    >>> FcaNet(64)(torch.ones(2, 64, 5, 7)).shape
    torch.Size([2, 64, 5, 7])
    """

    basis: Tensor

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        selection: Selection = "top",
        count: int = 16,
        frequency: int | Sequence[int] | None = None,
        size: int | Sequence[int] = 7,
    ) -> None:
        super().__init__()
        require_positive("fcanet", channels=channels, reduction=reduction)
        chosen = frequencies(selection, count) if frequency is None else _read_frequency(frequency)
        if channels % len(chosen):
            most = math.gcd(channels, len(chosen))
            raise ShapeError(
                f"fcanet with {len(chosen)} frequencies needs channels divisible by {len(chosen)}, got {channels}",
                hint=f"{most} would do" if most > 1 else "take one frequency",
            )
        self.size = _read_size(size)
        waves = [[cosine(f * (side // GRID), side) for f in range(GRID)] for side in self.size]
        basis = torch.stack([torch.outer(waves[0][f // GRID], waves[1][f % GRID]) for f in chosen])
        self.register_buffer("basis", basis.to(torch.get_default_dtype()), persistent=False)
        hidden = max(1, channels // reduction)
        self.reduce = nn.Linear(channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, channels, bias=False)

    def squeeze(self, x: Tensor) -> Tensor:
        """Return the component of each channel at its frequency, (B, C)."""
        if x.shape[2:] != self.size:
            x = nn.functional.adaptive_avg_pool2d(x, self.size)
        maps = self.basis.flatten(1)[:, :, None]
        grouped = x.reshape(x.shape[0], len(maps), -1, maps.shape[1])
        return torch.matmul(grouped, maps).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled channel by channel."""
        gate: Tensor = self.expand(self.reduce(self.squeeze(x)).relu()).sigmoid()
        return x * gate[:, :, None, None]

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"frequencies={len(self.basis)}, size={self.size}"


def _read_frequency(frequency: int | Sequence[int]) -> list[int]:
    chosen = [frequency] if isinstance(frequency, int) else list(frequency)
    if not chosen or not all(f in range(GRID**2) for f in chosen):
        raise ConfigError(
            f"fcanet got frequency={frequency!r}, expected numbers from 0 to {GRID**2 - 1}",
            hint="one is u·7 + v, with u cycles down the rows and v along the columns",
        )
    return chosen


def _read_size(size: int | Sequence[int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or min(sides) < GRID:
        raise ShapeError(
            f"fcanet got size={size}, expected a height and a width of at least {GRID}",
            hint="with 7 smaller inputs do too, they are resampled to it",
        )
    return sides


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    reduction: int = 16,
    selection: Selection = "top",
    count: int = 16,
    frequency: int | Sequence[int] | None = None,
    size: int | Sequence[int] = 7,
) -> Cost:
    """Closed-form cost of `FcaNet` for one image."""
    hidden, (rows, columns) = max(1, channels // reduction), _read_size(size)
    return Cost(params=2 * channels * hidden, macs=channels * (rows * columns + 2 * hidden))


_SELECTIONS: dict[str, Selection] = {"top": "top", "low": "low", "bot": "bottom"}


def _official(channel: int, dct_h: int, dct_w: int, reduction: int = 16, freq_sel_method: str = "top16") -> FcaNet:
    kind, count = freq_sel_method[:3], freq_sel_method[3:]
    if kind not in _SELECTIONS or not count.isdecimal():
        raise ConfigError(f"fcanet got freq_sel_method={freq_sel_method!r}, expected one such as 'top16'")
    return FcaNet(channel, reduction=reduction, selection=_SELECTIONS[kind], count=int(count), size=(dct_h, dct_w))


SPEC = Spec(
    name="fcanet",
    role=Role.GATE,
    family="channel",
    summary="SE whose groups of channels are pooled with different frequencies of the cosine transform.",
    build=FcaNet,
    maths=(
        "f_k(p) = cos(π k (p + ½) / N) · √((2 if k > 0 else 1) / N) for position p of N",
        "z_c = Σ_hw x_c[h, w] f_u(h) f_v(w), with the frequency (u, v) of the group of channel c",
        "s = σ(W₂ relu(W₁ z)), no biases",
        "y = x · s",
    ),
    paper=Paper(
        title="FcaNet: Frequency Channel Attention Networks",
        authors="Qin, Zhang, Wu, Li",
        venue="ICCV",
        year=2021,
        arxiv="2012.11879",
    ),
    official=(
        Official(
            source="cfzd/FcaNet:model/layer.py:MultiSpectralAttentionLayer",
            licence="MIT",
            build=_official,
            keys={"dct_layer.": None, "fc.0.": "reduce.", "fc.2.": "expand."},
        ),
    ),
    options={
        "reduction": "r, the bottleneck has max(1, C // r) units",
        "selection": "order that the frequencies are taken from: 'top', 'low' or 'bottom'",
        "count": "number of frequencies, 1 to 32; it divides C",
        "frequency": "own choice: one frequency or several, 0 to 48, each u·7 + v",
        "size": "height and width of the transform, at least 7; other inputs are pooled to it",
    },
    default_reason=(
        "The 16 best frequencies, the paper's best number. A transform of 7×7 fits every stage; the authors advise it "
        "where the size of the features is not known, and use 56, 28, 14 and 7 in their ResNets."
    ),
    differs=(
        "The paper's basis has no normalisation, the authors' code an orthonormal one: the lowest frequency is √(H·W) "
        "times the mean, so SE is its special case up to a factor in W₁.",
        "Frequency and channel are tied: the first C/n channels always get the mean.",
        "The 'top' order was found on ImageNet with ResNet-50; `frequency` repeats that selection on other data.",
        "Some copies keep the frequencies of the 7×7 grid at larger sizes, or multiply features that they forgot to "
        "pool.",
        "Below 7×7 the authors' code turns every frequency into the mean; here that size is refused.",
    ),
    cost=cost,
    channels_multiple=16,
)
