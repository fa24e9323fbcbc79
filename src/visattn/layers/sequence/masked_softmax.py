"""A softmax over those members of a set that a mask keeps."""

import torch
from torch import Tensor

from visattn.core.errors import ShapeError


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the softmax of `scores` over the kept members; all weights are 0 where a mask keeps none.

    Args:
        scores: (B, L, N), or (B, heads, L, N).
        mask: Boolean, True is kept: (B, N) for all queries alike, (B, L, N), or (1, L, N) for all sets alike.

    Raises:
        ShapeError: `mask` has none of these shapes.

    >>> masked_softmax(torch.zeros(1, 1, 4), torch.tensor([[True, True, False, False]]))
    tensor([[[0.5000, 0.5000, 0.0000, 0.0000]]])
    """
    if mask is None:
        return scores.softmax(dim=-1)
    batch, queries, members = scores.shape[0], *scores.shape[-2:]
    if mask.dim() == 2:
        mask = mask[:, None]
    if tuple(mask.shape) not in {(batch, 1, members), (batch, queries, members), (1, queries, members)}:
        raise ShapeError(
            f"the mask is {tuple(mask.shape)} for {batch} sets, {queries} queries and {members} members",
            hint=f"pass {(batch, members)} or {(batch, queries, members)}",
        )
    if scores.dim() == 4:
        mask = mask[:, None]
    # a finite fill keeps the softmax of an empty set finite, and the product then empties it
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights * mask
