"""Where the pixels of a map are, as numbers that a layer can use."""

import torch
from torch import Tensor


def coordinates(x: Tensor) -> Tensor:
    """Return the column and row of each pixel of `x` between −1 and 1, (1, 2, H, W) on its device.

    >>> coordinates(torch.ones(1, 8, 2, 3))[0, :, 0]
    tensor([[-1.,  0.,  1.],
            [-1., -1., -1.]])
    """
    rows, columns = (torch.linspace(-1, 1, size, device=x.device, dtype=x.dtype) for size in x.shape[2:])
    return torch.stack((columns.expand(x.shape[2:]), rows[:, None].expand(x.shape[2:])))[None]
