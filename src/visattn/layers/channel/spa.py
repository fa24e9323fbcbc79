"""SPA: spatial pyramid attention, SE that sees a pyramid of pooled maps instead of one mean.

Paper: Guo et al., SPANet: Spatial Pyramid Attention Network for Enhanced Image Recognition, ICME 2020.
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.errors import ConfigError, ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec

Variant = Literal["a", "b", "c"]


class SPA(nn.Module):
    """Scale each channel by a gate that a bottleneck computes from averages over 1×1, 2×2 and 4×4 cells.

    `p = [avg₁(u); avg₂(u); avg₄(u)]`, 21 numbers per channel, `s = σ(W₂ relu(W₁ p))` and `y = x · s`. The
    three topologies of the paper differ in what u is.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: (21·width of u + C)·hidden MACs, and C_source·C per pixel of
    the source for the convolution of "c".

    Args:
        channels: C.
        variant: "a": u is x. "b": u is the input of the block that x ends. "c": u is that input behind a 1×1
            convolution, batch norm and ReLU, where it has not C channels already.
        source_channels: Channels of the block's input ("b" and "c"); None stands for C.
        reduction: r; the bottleneck has `max(1, width // r)` units, where the width of u is `source_channels` in "b"
            and C otherwise.
        hidden: Units of the bottleneck in the place of `reduction`.
        levels: Cells along each side, level by level.

    Raises:
        ShapeError: A size is below 1.
        ConfigError: `variant` is unknown, `levels` is empty, or "a" got `source_channels` other than C.

    >>> spa = SPA(64, variant="c", source_channels=16)
    >>> spa(torch.ones(2, 64, 5, 7), torch.ones(2, 16, 10, 14)).shape
    torch.Size([2, 64, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        *,
        variant: Variant = "a",
        source_channels: int | None = None,
        reduction: int = 16,
        hidden: int | None = None,
        levels: Sequence[int] = (1, 2, 4),
    ) -> None:
        super().__init__()
        source_channels, width, hidden = _widths(channels, variant, source_channels, reduction, hidden)
        if not levels:
            raise ConfigError("spa got no levels, expected at least one", hint="the paper has 1, 2 and 4")
        for level in levels:
            require_positive("spa", level=level)
        self.variant, self.levels, self.source_channels = variant, tuple(levels), source_channels
        self.project = (
            nn.Sequential(nn.Conv2d(source_channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
            if width != source_channels
            else None
        )
        self.reduce = nn.Linear(width * sum(level**2 for level in self.levels), hidden, bias=False)
        self.expand = nn.Linear(hidden, channels, bias=False)

    def gate(self, source: Tensor) -> Tensor:
        """Return the gate of `source`, (B, C, 1, 1).

        Raises:
            ShapeError: `source` has other than `source_channels` channels.
        """
        if source.shape[1] != self.source_channels:
            raise ShapeError(
                f"spa attends to {self.source_channels} channels, got {source.shape[1]}",
                hint="pass the input of the block as source",
            )
        u = source if self.project is None else self.project(source)
        pyramid = torch.cat([nn.functional.adaptive_avg_pool2d(u, n).flatten(1) for n in self.levels], dim=1)
        gate: Tensor = self.expand(self.reduce(pyramid).relu()).sigmoid()
        return gate[:, :, None, None]

    def forward(self, x: Tensor, source: Tensor | None = None) -> Tensor:
        """Return `x` scaled channel by channel.

        Args:
            x: (B, C, H, W), what the block makes of its input.
            source: (B, `source_channels`, H', W'), the block's input ("b" and "c"); None stands for `x`.

        Raises:
            ConfigError: The variant is "a" and there is a source.
            ShapeError: What is attended to has other than `source_channels` channels.
        """
        if source is not None and self.variant == "a":
            raise ConfigError("spa with variant='a' got a source, it attends to x", hint="take 'b' or 'c'")
        return x * self.gate(x if source is None else source)

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"variant={self.variant!r}, levels={self.levels}"


def _widths(
    channels: int, variant: Variant, source_channels: int | None, reduction: int, hidden: int | None
) -> tuple[int, int, int]:
    """Return the channels of the source, those that are pooled, and the units of the bottleneck."""
    require_choice("spa", get_args(Variant), variant=variant)
    source = channels if source_channels is None else source_channels
    require_positive("spa", channels=channels, source_channels=source, reduction=reduction)
    if variant == "a" and source != channels:
        raise ConfigError(
            f"spa with variant='a' got source_channels={source}, it attends to its own {channels} channels",
            hint="take 'b' or 'c', or leave source_channels out",
        )
    width = source if variant == "b" else channels
    hidden = max(1, width // reduction) if hidden is None else hidden
    require_positive("spa", hidden=hidden)
    return source, width, hidden


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    variant: Variant = "a",
    source_channels: int | None = None,
    reduction: int = 16,
    hidden: int | None = None,
    levels: Sequence[int] = (1, 2, 4),
) -> Cost:
    """Closed-form cost of `SPA` for one image; height and width are those of the source."""
    source, pooled, hidden = _widths(channels, variant, source_channels, reduction, hidden)
    bottleneck = (pooled * sum(level**2 for level in levels) + channels) * hidden
    project = source * channels * (pooled != source)
    return Cost(
        params=bottleneck + project + 2 * channels * (pooled != source), macs=bottleneck + project * height * width
    )


def _official(file_and_class: str, build: Callable[..., SPA]) -> Official:
    """Return the entry of a class that gets the block's input and returns the gate alone."""
    return Official(
        source=f"13952522076/SPANet:models/{file_and_class}",
        licence="none",
        build=build,
        keys={"conv1.": "project.", "fc.0.": "reduce.", "fc.2.": "expand."},
        call=lambda module, source: module.gate(source),
    )


SPEC = Spec(
    name="spa",
    role=Role.GATE,
    family="channel",
    summary="A gate per channel, from a two-layer bottleneck over a pyramid of 1×1, 2×2 and 4×4 averages.",
    build=SPA,
    maths=(
        "u = x (a), the block's input (b), or relu(BN(conv_1×1(the block's input))) (c)",
        "p = [mean of u; means over 2×2 cells; means over 4×4 cells], 21 numbers per channel",
        "s = σ(W₂ relu(W₁ p)), no biases",
        "y = x · s",
    ),
    paper=Paper(
        title="SPANet: Spatial Pyramid Attention Network for Enhanced Image Recognition",
        authors="Guo, Ma, Sansom, McGuire, Kalaani, Chen, Tang, Yang, Fu",
        venue="ICME",
        year=2020,
    ),
    official=(
        Official(
            source="13952522076/SPANet:models/spp_se_resnet.py:SPPSELayer",
            licence="none",
            build=lambda channel, reduction=16: SPA(channel, reduction=reduction),
            keys={"fc.0.": "reduce.", "fc.2.": "expand."},
        ),
        # "cahnnel" is how the authors spell it
        _official(
            "p_spp_se_resnet.py:PSPPSELayer",
            lambda in_cahnnel, channel, reduction=16: SPA(
                channel, variant="b", source_channels=in_cahnnel, reduction=reduction
            ),
        ),
        _official(
            "cp_spp_se_resnet.py:CPSPPSELayer",
            lambda in_channel, channel, reduction=16: SPA(
                channel, variant="c", source_channels=in_channel, reduction=reduction
            ),
        ),
        _official(
            "cpsppse_densenet.py:CPSPPSELayer",
            lambda in_channel, channel, reduction=16: SPA(
                channel, variant="c", source_channels=in_channel, hidden=max(1, 21 * channel // reduction)
            ),
        ),
        _official(
            "pse_resnet.py:SELayer",
            lambda in_cahnnel, channel, reduction=16: SPA(
                channel, variant="b", source_channels=in_cahnnel, reduction=reduction, levels=(1,)
            ),
        ),
        _official(
            "cpse_resnet.py:CPSELayer",
            lambda in_channel, channel, reduction=16: SPA(
                channel, variant="c", source_channels=in_channel, reduction=reduction, levels=(1,)
            ),
        ),
    ),
    options={
        "variant": "what is attended to: x itself ('a'), or the block's input ('b', 'c')",
        "source_channels": "channels of the block's input ('b' and 'c')",
        "reduction": "r, the bottleneck has max(1, width // r) units",
        "hidden": "units of the bottleneck, in the place of r",
        "levels": "cells along each side, level by level; (1,) is SE without biases",
    },
    variants={
        "a": "SPANet-A: attends to what it scales, as SE does",
        "b": "SPANet-B: attends to the input of the block",
        "c": "SPANet-C: attends to the input of the block behind a 1×1 convolution, batch norm and ReLU",
    },
    default_reason=(
        "Topology a goes where SE goes and needs nothing but x. On CIFAR-100 it is the authors' best with ResNet-50, "
        "topology c, which needs the block's input as well, with ResNet-18 and -101."
    ),
    differs=(
        "The letters are the paper's, the layers in the code are called SPPSE, PSPPSE and CPSPPSE; which is which is "
        "read from their topology.",
        "In topology c the code leaves the convolution out where the block keeps its width.",
        "The authors' DenseNets have a bottleneck of 21·C/r units (`hidden`) where all their other networks have C/r; "
        "popular copies took it over, with 121 M weights in one layer of 2048 channels.",
        "The authors' layers b and c return the gate, not the scaled features.",
        "Maps below 4×4 repeat pixels in the last level.",
    ),
    cost=cost,
)
