"""APNB: asymmetric pyramid non-local block, every position attends to averages over a pyramid of cells.

Paper: Zhu et al., Asymmetric Non-local Neural Networks for Semantic Segmentation, ICCV 2019, arXiv:1908.07678.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.context.conv_norm import conv_norm_params
from visattn.layers.context.pyramid_attention import (
    PAPER,
    SIZES,
    context_projection,
    pyramid_attention,
    require_one_stage,
    require_sizes,
)


class APNB(nn.Module):
    """Fuse a map with what each of its positions receives from averages of the map.

    `y = relu(BN(W_f [W_c pyramid_attention(k, k, v); x]))`, queries and keys being one projection `k`, see
    `pyramid_attention`. `W_c` starts at 0.
    Shapes: (B, in, H, W) → (B, out, H, W).
    Cost per image of N positions: N·(in·(key + value) + S·(key + value) + value·out + (in + out)·out) MACs with S
    averages.

    Args:
        in_channels: in.
        out_channels: out.
        key_channels: Width of queries and keys.
        value_channels: Width of the values.
        sizes: Cells along height and width of each level of the pyramid.
        dropout: Probability that an output channel is dropped.

    Raises:
        ShapeError: A number of channels or a size is below 1.
        ConfigError: `sizes` is empty.

    >>> APNB(16, 8, key_channels=4)(torch.rand(2, 16, 5, 7)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        key_channels: int = 256,
        value_channels: int = 256,
        sizes: Sequence[int] = SIZES,
        dropout: float = 0.05,
    ) -> None:
        super().__init__()
        require_positive("apnb", in_channels=in_channels, out_channels=out_channels)
        require_positive("apnb", key_channels=key_channels, value_channels=value_channels)
        require_sizes("apnb", sizes)
        self.sizes = tuple(sizes)
        self.key = nn.Conv2d(in_channels, key_channels, 1)
        self.norm = nn.BatchNorm2d(key_channels)
        self.value = nn.Conv2d(in_channels, value_channels, 1)
        self.context = context_projection(value_channels, out_channels)
        self.fuse = nn.Sequential(
            nn.Conv2d(out_channels + in_channels, out_channels, 1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` fused with its context."""
        key = self._key(x)
        context = self.context(pyramid_attention(key, key, self.value(x), self.sizes))
        fused: Tensor = self.fuse(torch.cat((context, x), dim=1))
        return fused

    def _key(self, x: Tensor) -> Tensor:
        key = self.key(x)
        if self.training:
            # the authors' code makes query and key apart, so its running statistics move twice with each batch
            with torch.no_grad():
                self.norm(key)
        normed: Tensor = self.norm(key)
        return normed.relu()

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"sizes={self.sizes}"


def cost(
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    *,
    key_channels: int = 256,
    value_channels: int = 256,
    sizes: Sequence[int] = SIZES,
    dropout: float = 0.05,
) -> Cost:
    """Closed-form cost of `APNB` for one image."""
    tokens = sum(size**2 for size in sizes)
    return Cost(
        params=conv_norm_params(in_channels, key_channels, bias=True)
        + (in_channels + 1) * value_channels
        + (value_channels + 1) * out_channels
        + conv_norm_params(in_channels + out_channels, out_channels, bias=True),
        macs=height
        * width
        * (
            (in_channels + tokens) * (key_channels + value_channels)
            + (value_channels + in_channels + out_channels) * out_channels
        ),
    )


def _build(
    in_channels: int,
    out_channels: int,
    key_channels: int,
    value_channels: int,
    dropout: float = 0.05,
    sizes: Sequence[int] = (1,),
    norm_type: str | None = None,
    psp_size: Sequence[int] = SIZES,
) -> APNB:
    require_one_stage("apnb", sizes)
    return APNB(
        in_channels,
        out_channels,
        key_channels=key_channels,
        value_channels=value_channels,
        sizes=psp_size,
        dropout=dropout,
    )


SPEC = Spec(
    name="apnb",
    role=Role.HEAD,
    family="context",
    summary="A non-local block whose positions attend to 110 averages over a pyramid of cells instead of each other.",
    build=APNB,
    maths=(
        "q = k = relu(BN(W_k x)), v = W_v x",
        "k_s, v_s = averages of k and v over the 1 + 9 + 36 + 64 cells of a pyramid",
        "c_i = W_c Σ_s softmax_s(q_i · k_s / √d) v_s",
        "y = relu(BN(W_f [c; x]))",
    ),
    paper=PAPER,
    official=(
        Official(
            source="MendelXu/ANN:models/seg/utils/apnb.py:APNB",
            licence="Apache-2.0",
            build=_build,
            keys={
                "stages.0.f_key.0.": "key.",
                "stages.0.f_key.1.0.": "norm.",
                "stages.0.f_query.0.": "key.",
                "stages.0.f_query.1.0.": "norm.",
                "stages.0.f_value.": "value.",
                "stages.0.W.": "context.",
                "conv_bn_dropout.0.": "fuse.0.",
                "conv_bn_dropout.1.0.": "fuse.1.",
            },
        ),
    ),
    options={
        "key_channels": "width of queries and keys",
        "value_channels": "width of the values",
        "sizes": "cells along height and width of each level of the pyramid",
        "dropout": "probability that an output channel is dropped",
    },
    default_reason="The published network: 256 channels for queries, keys and values, a pyramid of 1, 3, 6 and 8.",
    differs=(
        "The authors' code makes query and key with one shared projection, and computes it twice: its running "
        "statistics move twice with each batch, which is kept here, while the convolution is computed once.",
        "The authors' code scales the logits by 1/√d and has batch norm and ReLU on queries and keys; the paper's "
        "formulas show neither.",
        "The authors' code works for equal input and output channels only.",
        "The context starts at 0, but the fusing convolution keeps the block from being the identity.",
    ),
    cost=cost,
)
