"""What Show, Attend and Tell adds to the likelihood of a caption.

Paper: Xu et al., Show, Attend and Tell, ICML 2015, arXiv:1502.03044, eq. 12 and 14.
"""

import torch
from torch import Tensor

from visattn.layers.sequence.reinforce import reinforce_loss


def doubly_stochastic_penalty(weights: Tensor) -> Tensor:
    """Return `Σ_i (1 − Σ_t α_ti)²`, averaged over the images: over a caption, look everywhere equally (eq. 14).

    Args:
        weights: The weights of all steps, (B, T, N); 0 after the end of a caption.

    >>> doubly_stochastic_penalty(torch.full((1, 4, 4), 0.25)).item()
    0.0
    """
    return (1 - weights.sum(dim=1)).square().sum(dim=1).mean()


def hard_attention_loss(
    weights: Tensor,
    choice: Tensor,
    reward: Tensor,
    baseline: Tensor,
    *,
    reinforce_weight: float = 0.1,
    entropy_weight: float = 0.002,
) -> Tensor:
    """Return the loss by which hard attention learns where to look (eq. 12, without the likelihood itself).

    `−λ_r (R − b) Σ_t log α_t(s_t) − λ_e Σ_t H(α_t)`, averaged over the images. Where the expected value took the place
    of a draw, `choice` is the weights and the first term has no gradient.

    Args:
        weights: The distributions over the locations, (B, T, N).
        choice: One-hot draws, (B, T, N).
        reward: Log-likelihood of the caption, (B,).
        baseline: What it was expected to be; see `MovingBaseline`.
        reinforce_weight: λ_r.
        entropy_weight: λ_e.

    >>> even = torch.full((1, 1, 2), 0.5)
    >>> loss = hard_attention_loss(even, torch.eye(2)[None, :1], torch.tensor([0.0]), torch.tensor(0.0))
    >>> round(loss.item() / -0.002, 4)
    0.6931
    """
    log_weights = weights.clamp_min(torch.finfo(weights.dtype).tiny).log()
    entropy = -(weights * log_weights).sum(dim=(1, 2)).mean()
    log_prob = (choice.detach() * log_weights).sum(dim=2)
    return reinforce_weight * reinforce_loss(log_prob, reward, baseline) - entropy_weight * entropy
