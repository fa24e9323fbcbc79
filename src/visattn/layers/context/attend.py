"""Attention from the positions of one map to those of another, channels first."""

from torch import Tensor, nn


def attend(query: Tensor, key: Tensor, value: Tensor, *, scale: float | None = None) -> Tensor:
    """Return `y_i = Σ_j softmax_j(scale · q_i · k_j) v_j`.

    Cost per image: N·M·(D + E) MACs. The (N, M) weights are not stored where the device has a fused kernel for the
    widths.

    Args:
        query: (B, D, N).
        key: (B, D, M).
        value: (B, E, M).
        scale: Factor of the logits; None is 1/√D.

    Returns:
        (B, E, N).

    >>> import torch
    >>> attend(torch.zeros(1, 4, 2), torch.rand(1, 4, 3), torch.tensor([[[1.0, 2.0, 6.0]]]))
    tensor([[[3., 3.]]])
    """
    # the fused kernels want the numbers of one position side by side, and a dimension for heads
    q, k, v = (t.transpose(1, 2).contiguous().unsqueeze(1) for t in (query, key, value))
    y = nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)
    return y.squeeze(1).transpose(1, 2)
