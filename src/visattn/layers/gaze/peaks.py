"""Peaks of a map: promoting maps that have one, and visiting them in turn.

Paper: Itti, Koch, Niebur, A Model of Saliency-Based Visual Attention for Rapid Scene Analysis, IEEE PAMI 20(11), 1998.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive


def is_peak(x: Tensor) -> Tensor:
    """Tell which places of maps (B, C, H, W) are above 0 and no lower than their 8 neighbours; one per tie.

    >>> is_peak(torch.tensor([[[[0.0, 2.0, 2.0, 0.0, 1.0]]]]))[0, 0, 0].tolist()
    [False, True, False, False, True]
    """
    padded = nn.functional.pad(x, (1, 1, 1, 1), value=-torch.inf)
    neighbours = padded.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)
    # of two equal neighbours the first is the peak
    above = (x.unsqueeze(4) > neighbours[..., :4]).all(dim=4)
    return above & (x.unsqueeze(4) >= neighbours[..., 5:]).all(dim=4) & (x > 0)


def promote(x: Tensor, *, flat: float = 1e-4) -> Tensor:
    """Return `N(x)`: each map scaled to [0, 1] and multiplied by (1 − m̄)², m̄ the mean of its other local maxima.

    A map with one peak stays, one with many equal peaks vanishes. Shapes: (B, C, H, W) → (B, C, H, W).

    Args:
        x: The maps.
        flat: A map with a smaller range is not stretched to [0, 1].

    >>> promote(torch.tensor([[[[0.0, 4.0, 0.0, 2.0, 0.0]]]])).tolist()
    [[[[0.0, 0.25, 0.0, 0.125, 0.0]]]]
    """
    least, most = (f(x, dim=(2, 3), keepdim=True) for f in (torch.amin, torch.amax))
    x = (x - least) / (most - least).clamp_min(flat)
    most, peaks = x.amax(dim=(2, 3), keepdim=True), is_peak(x)
    others = peaks.sum(dim=(2, 3), keepdim=True) - 1
    mean = ((x * peaks).sum(dim=(2, 3), keepdim=True) - most) / others.clamp_min(1)
    return x * (most - torch.where(others > 0, mean, 0)).square()


@torch.no_grad()
def scan(saliency: Tensor, count: int, *, radius: float = 1 / 6) -> Tensor:
    """Return the places that attention visits: the maximum wins, a disc around it is inhibited, the next one wins.

    Args:
        saliency: (B, 1, H, W).
        count: Number of visits.
        radius: Of the disc, in parts of the shorter side.

    Returns:
        (B, count, 2): x to the right and y down, from −1 to 1 over the map.

    Raises:
        ShapeError: `count` is below 1.

    >>> scan(torch.tensor([[[[0.0, 1.0, 0.5, 2.0]]]]), 2)[0].tolist()
    [[0.75, 0.0], [-0.25, 0.0]]
    """
    require_positive("scan", count=count)
    left, (height, width) = saliency[:, 0].clone(), saliency.shape[2:]
    rows = torch.arange(height, device=left.device)[:, None]
    columns = torch.arange(width, device=left.device)
    visits = []
    for _ in range(count):
        winner = left.flatten(1).argmax(dim=1)
        row, column = (i[:, None, None] for i in (winner // width, winner % width))
        distance = (rows - row).square() + (columns - column).square()
        left = left.masked_fill(distance <= (radius * min(height, width)) ** 2, -torch.inf)
        visits.append(torch.stack(((2 * column + 1) / width - 1, (2 * row + 1) / height - 1), dim=1).flatten(1))
    return torch.stack(visits, dim=1)
