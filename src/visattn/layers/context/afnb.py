"""AFNB: asymmetric fusion non-local block, a late stage attends to pooled features of an earlier one.

Paper: Zhu et al., Asymmetric Non-local Neural Networks for Semantic Segmentation, ICCV 2019, arXiv:1908.07678.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.context.conv_norm import conv_norm_params, conv_norm_relu
from visattn.layers.context.pyramid_attention import (
    PAPER,
    SIZES,
    context_projection,
    pyramid_attention,
    require_one_stage,
    require_sizes,
)


class AFNB(nn.Module):
    """Fuse a late stage with what each of its positions receives from averages of an earlier stage.

    `y = BN(W_f [W_c pyramid_attention(q, k, v); x])` with `q` of `x`, `k` and `v` of the earlier stage, see
    `pyramid_attention`. `W_c` starts at 0.
    Shapes: (B, in, H, W) and (B, low, H', W') → (B, out, H, W).
    Cost per image of N positions in both stages: N·(in·key + low·(key + value) + S·(key + value) + value·out +
    (in + out)·out) MACs with S averages.

    Args:
        in_channels: in, the channels of the late stage.
        out_channels: out.
        low_channels: low, the channels of the earlier stage; None is `max(1, in // 2)`, as in a ResNet.
        key_channels: Width of queries and keys.
        value_channels: Width of the values.
        sizes: Cells along height and width of each level of the pyramid.
        dropout: Probability that an output channel is dropped.

    Raises:
        ShapeError: A number of channels or a size is below 1.
        ConfigError: `sizes` is empty.

    >>> AFNB(16, 8, key_channels=4)(torch.rand(2, 16, 5, 7), torch.rand(2, 8, 10, 14)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        low_channels: int | None = None,
        key_channels: int = 256,
        value_channels: int = 256,
        sizes: Sequence[int] = SIZES,
        dropout: float = 0.05,
    ) -> None:
        super().__init__()
        low_channels = max(1, in_channels // 2) if low_channels is None else low_channels
        require_positive("afnb", in_channels=in_channels, out_channels=out_channels, low_channels=low_channels)
        require_positive("afnb", key_channels=key_channels, value_channels=value_channels)
        require_sizes("afnb", sizes)
        self.sizes = tuple(sizes)
        self.query = conv_norm_relu(in_channels, key_channels, bias=True)
        self.key = conv_norm_relu(low_channels, key_channels, bias=True)
        self.value = nn.Conv2d(low_channels, value_channels, 1)
        self.context = context_projection(value_channels, out_channels)
        self.fuse = nn.Sequential(
            nn.Conv2d(out_channels + in_channels, out_channels, 1),
            nn.BatchNorm2d(out_channels),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor, low: Tensor) -> Tensor:
        """Return the late stage `x` fused with its context from the earlier stage `low`."""
        context = self.context(pyramid_attention(self.query(x), self.key(low), self.value(low), self.sizes))
        fused: Tensor = self.fuse(torch.cat((context, x), dim=1))
        return fused

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"sizes={self.sizes}"


def cost(
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    *,
    low_channels: int | None = None,
    key_channels: int = 256,
    value_channels: int = 256,
    sizes: Sequence[int] = SIZES,
    dropout: float = 0.05,
) -> Cost:
    """Closed-form cost of `AFNB` for one image, both stages of the given height and width."""
    low_channels = max(1, in_channels // 2) if low_channels is None else low_channels
    tokens = sum(size**2 for size in sizes)
    return Cost(
        params=conv_norm_params(in_channels, key_channels, bias=True)
        + conv_norm_params(low_channels, key_channels, bias=True)
        + (low_channels + 1) * value_channels
        + (value_channels + 1) * out_channels
        + conv_norm_params(in_channels + out_channels, out_channels, bias=True),
        macs=height
        * width
        * (
            in_channels * key_channels
            + (low_channels + tokens) * (key_channels + value_channels)
            + (value_channels + in_channels + out_channels) * out_channels
        ),
    )


def _build(
    low_in_channels: int,
    high_in_channels: int,
    out_channels: int,
    key_channels: int,
    value_channels: int,
    dropout: float = 0.05,
    sizes: Sequence[int] = (1,),
    norm_type: str | None = None,
    psp_size: Sequence[int] = SIZES,
) -> AFNB:
    require_one_stage("afnb", sizes)
    return AFNB(
        high_in_channels,
        out_channels,
        low_channels=low_in_channels,
        key_channels=key_channels,
        value_channels=value_channels,
        sizes=psp_size,
        dropout=dropout,
    )


SPEC = Spec(
    name="afnb",
    role=Role.HEAD,
    family="context",
    summary="Every position of a late stage attends to 110 averages of an earlier stage, and the two are fused.",
    build=AFNB,
    maths=(
        "q = relu(BN(W_q x)), k = relu(BN(W_k low)), v = W_v low",
        "k_s, v_s = averages of k and v over the 1 + 9 + 36 + 64 cells of a pyramid",
        "c_i = W_c Σ_s softmax_s(q_i · k_s / √d) v_s",
        "y = BN(W_f [c; x])",
    ),
    paper=PAPER,
    official=(
        Official(
            source="MendelXu/ANN:models/seg/utils/afnb.py:AFNB",
            licence="Apache-2.0",
            build=_build,
            keys={
                "stages.0.f_query.": "query.",
                "stages.0.f_query.1.0.": "query.1.",
                "stages.0.f_key.": "key.",
                "stages.0.f_key.1.0.": "key.1.",
                "stages.0.f_value.": "value.",
                "stages.0.W.": "context.",
                "conv_bn_dropout.": "fuse.",
            },
            call=lambda module, low_feats, high_feats: module(high_feats, low_feats),
        ),
    ),
    options={
        "low_channels": "channels of the earlier stage, None is max(1, in // 2)",
        "key_channels": "width of queries and keys",
        "value_channels": "width of the values",
        "sizes": "cells along height and width of each level of the pyramid",
        "dropout": "probability that an output channel is dropped",
    },
    default_reason="The published network: 256 channels for queries, keys and values, a pyramid of 1, 3, 6 and 8.",
    differs=(
        "The authors' code takes the earlier stage first; here the late stage is first, as in every head.",
        "There is no ReLU behind the last batch norm, unlike in APNB.",
        "The authors' code scales the logits by 1/√d and has batch norm and ReLU on queries and keys; the paper's "
        "formulas show neither.",
        "The authors' code takes `sizes` for several stages and ignores their value; no published network has two.",
        "The context starts at 0, but the fusing convolution keeps the block from being the identity.",
    ),
    cost=cost,
)
