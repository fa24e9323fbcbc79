"""The block of Swin transformers, with what mixes the positions given.

Paper: Liu et al., Swin Transformer, ICCV 2021, arXiv:2103.14030, eq. 3.
"""

import torch
from torch import Tensor, nn


class SwinBlock(nn.Module):
    """`x' = x + mixer(LN(x))` and `y = x' + MLP(LN(x'))`, the MLP with one hidden layer and GELU.

    Shapes: (B, C, H, W) → (B, C, H, W).

    Args:
        mixer: (B, C, H, W) → (B, C, H, W).
        channels: C.
        mlp_ratio: The MLP's hidden layer has `int(C · mlp_ratio)` units.
        drop_path: Probability in training that an image skips a sum; the others' are scaled up in return.

    >>> SwinBlock(nn.Identity(), 8)(torch.ones(2, 8, 5, 7)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(self, mixer: nn.Module, channels: int, *, mlp_ratio: float = 4.0, drop_path: float = 0.0) -> None:
        super().__init__()
        hidden = int(channels * mlp_ratio)
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(channels)
        self.mixer = mixer
        self.norm2 = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, hidden)
        self.reduce = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of `x`."""
        x = x.permute(0, 2, 3, 1)
        mixed = self.mixer(self.norm1(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x = x + self._drop(mixed)
        x = x + self._drop(self.reduce(nn.functional.gelu(self.expand(self.norm2(x)))))
        return x.permute(0, 3, 1, 2)

    def _drop(self, branch: Tensor) -> Tensor:
        if not self.training or not self.drop_path:
            return branch
        keep = torch.rand(len(branch), 1, 1, 1, device=branch.device) >= self.drop_path
        return branch * keep / (1 - self.drop_path)
