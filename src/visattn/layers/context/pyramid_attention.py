"""Attention from every position of a map to the averages of another map over a pyramid of cells.

Paper: Zhu et al., Asymmetric Non-local Neural Networks for Semantic Segmentation, ICCV 2019, arXiv:1908.07678.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ConfigError
from visattn.core.spec import Paper
from visattn.layers.context.attend import attend

PAPER = Paper(
    title="Asymmetric Non-local Neural Networks for Semantic Segmentation",
    authors="Zhu, Xu, Bai, Huang, Bai",
    venue="ICCV",
    year=2019,
    arxiv="1908.07678",
)
SIZES = (1, 3, 6, 8)


def pyramid_attention(query: Tensor, key: Tensor, value: Tensor, sizes: Sequence[int] = SIZES) -> Tensor:
    """Return `Σ_s softmax_s(q_i · k_s / √D) v_s`, s over the s×s cells of every size, the averages of key and value.

    Cost per image: N·S·(D + E) MACs with S the sum of the squared sizes, 110 for (1, 3, 6, 8).

    Args:
        query: (B, D, H, W).
        key: (B, D, H', W').
        value: (B, E, H', W').
        sizes: Cells along height and width, one number for each level of the pyramid.

    Returns:
        (B, E, H, W).

    >>> pyramid_attention(torch.zeros(1, 4, 2, 3), torch.rand(1, 4, 5, 5), torch.ones(1, 2, 5, 5)).shape
    torch.Size([1, 2, 2, 3])
    """
    keys, values = (
        torch.cat([nn.functional.adaptive_avg_pool2d(t, size).flatten(2) for size in sizes], dim=2)
        for t in (key, value)
    )
    y = attend(query.flatten(2), keys, values)
    return y.reshape(*y.shape[:2], *query.shape[2:])


def context_projection(value_channels: int, out_channels: int) -> nn.Conv2d:
    """Build the 1×1 convolution behind the attention; it starts at 0, so the block starts without context."""
    projection = nn.Conv2d(value_channels, out_channels, 1)
    nn.init.zeros_(projection.weight)
    nn.init.zeros_(projection.bias)  # type: ignore[arg-type]
    return projection


def require_sizes(mechanism: str, sizes: Sequence[int]) -> None:
    """Raise an error unless `sizes` holds at least one number, and none below 1."""
    if not sizes:
        raise ConfigError(f"{mechanism} got sizes=(), expected at least one number", hint=f"the paper has {SIZES}")
    require_positive(mechanism, sizes=min(sizes))


def require_one_stage(mechanism: str, stages: Sequence[int]) -> None:
    """Raise an error unless the authors' `sizes` is the published one, a single attention on the full map."""
    if tuple(stages) != (1,):
        raise ConfigError(
            f"{mechanism} got sizes={list(stages)} for the authors' code, expected [1]",
            hint="only blocks of one stage were published, the cells of the pyramid are its psp_size",
        )
