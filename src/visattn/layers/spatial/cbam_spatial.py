"""CBAM's spatial gate: one convolution over the pooled channels.

Paper: Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018, arXiv:1807.06521, eq. 3.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_odd, require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec

Descriptor = Literal["pool", "conv"]
Variant = Literal["official", "paper"]


class CBAMSpatial(nn.Module):
    """Scale each position by a gate that one convolution computes from the maximum and the mean over the channels.

    `M = σ(BN(conv_k([max_c x; mean_c x])))` and `y = x · M` (Woo et al., eq. 3).
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 2·k²·H·W MACs.

    Args:
        channels: C; only the "conv" descriptor has weights per channel.
        kernel_size: k, odd; the paper compares 3 and 7.
        descriptor: "pool" takes maximum and mean, "conv" a learned 1×1 convolution to one map (the paper's ablation).
        variant: "official" has batch norm after the convolution, and its weight starts at 0 as published, so the gate
            starts at 0.5 everywhere; "paper" has no batch norm, as its formula.

    Raises:
        ShapeError: `channels` is below 1, or `kernel_size` is not odd.
        ConfigError: `descriptor` or `variant` is unknown.

    >>> CBAMSpatial(16)(torch.ones(2, 16, 5, 7)).unique().tolist()
    [0.5]
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 7,
        descriptor: Descriptor = "pool",
        variant: Variant = "official",
    ) -> None:
        super().__init__()
        require_positive("cbam_spatial", channels=channels)
        require_odd("cbam_spatial", kernel_size=kernel_size)
        require_choice("cbam_spatial", get_args(Descriptor), descriptor=descriptor)
        require_choice("cbam_spatial", get_args(Variant), variant=variant)
        self.squeeze = nn.Conv2d(channels, 1, 1, bias=False) if descriptor == "conv" else None
        maps = 1 if descriptor == "conv" else 2
        self.conv = nn.Conv2d(maps, 1, kernel_size, padding=kernel_size // 2, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        self.norm = nn.BatchNorm2d(1, momentum=0.01) if variant == "official" else None
        if self.norm is not None:
            nn.init.zeros_(self.norm.weight)

    def gate(self, x: Tensor) -> Tensor:
        """Return the gate of `x`, (B, 1, H, W)."""
        if self.squeeze is None:
            # as in the authors' code, a tie sends its gradient to one channel
            descriptor = torch.cat((x.max(dim=1, keepdim=True).values, x.mean(dim=1, keepdim=True)), dim=1)
        else:
            descriptor = self.squeeze(x)
        logits: Tensor = self.conv(descriptor)
        return (logits if self.norm is None else self.norm(logits)).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled position by position."""
        return x * self.gate(x)


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    kernel_size: int = 7,
    descriptor: Descriptor = "pool",
    variant: Variant = "official",
) -> Cost:
    """Closed-form cost of `CBAMSpatial` for one image."""
    weights = kernel_size**2 + channels if descriptor == "conv" else 2 * kernel_size**2
    return Cost(params=weights + 2 * (variant == "official"), macs=weights * height * width)


SPEC = Spec(
    name="cbam_spatial",
    role=Role.GATE,
    family="spatial",
    summary="CBAM's gate per position: one convolution over the maximum and the mean of the channels.",
    build=CBAMSpatial,
    maths=(
        "d = [max over C of x; mean over C of x]",
        "M = σ(BN(conv_7×7(d))), no bias",
        "y = x · M",
    ),
    paper=Paper(
        title="CBAM: Convolutional Block Attention Module",
        authors="Woo, Park, Lee, Kweon",
        venue="ECCV",
        year=2018,
        arxiv="1807.06521",
    ),
    official=(
        Official(
            source="Jongchan/attention-module:MODELS/cbam.py:SpatialGate",
            licence="MIT",
            # the pooled descriptor has no weight per channel, so any number of channels will do
            build=lambda: CBAMSpatial(1),
            keys={"spatial.conv.": "conv.", "spatial.bn.": "norm."},
        ),
    ),
    options={
        "kernel_size": "k of the convolution, odd",
        "descriptor": "'pool' takes maximum and mean over the channels, 'conv' a 1×1 convolution to one map",
        "variant": "'official' has batch norm after the convolution, 'paper' has none",
    },
    variants={
        "official": "batch norm after the convolution, as in the authors' code; the gate starts at 0.5",
        "paper": "no batch norm, as in the paper's formula",
    },
    default_reason=(
        "The authors' code, which the published weights and parameter counts need; the paper finds k = 7 better than 3."
    ),
    differs=(
        "The paper's formula shows no batch norm; the authors' code has it, with momentum 0.01.",
        "The authors' ResNet sets the weight of that batch norm to 0, so the gate starts at 0.5 everywhere.",
        "The paper writes [mean; max], the authors' code [max; mean], which only swaps the two input kernels.",
        "The 'conv' descriptor of the paper's ablation is in no released code; a 1×1 convolution without bias gives "
        "the published 28.10 M parameters.",
    ),
    cost=cost,
)
