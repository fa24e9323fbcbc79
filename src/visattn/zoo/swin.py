"""The Swin transformer, with what mixes the positions given.

Paper: Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, ICCV 2021, arXiv:2103.14030,
fig. 3 and section 3.3.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ShapeError
from visattn.layers.hosts.swin_block import SwinBlock

Mixer = Callable[[int, int, int], nn.Module]
"""Builds what mixes the positions of (B, C, H, W) from channels, heads and shift of the windows."""


class Swin(nn.Module):
    """Patches of 4×4 pixels, four stages of `SwinBlock`, the mean and a linear classifier.

    Stage s has C·2^s channels and a head per 32 of them; every second block of a stage shifts its windows by half. The
    deeper a block, the more often its branches are dropped in training.
    Shapes: (B, 3, H, W) → (B, num_classes), H and W multiples of 32.

    Args:
        mixer: Builds what mixes the positions.
        depths: Blocks in each stage.
        channels: C, a multiple of 32.
        window: Height and width of a window.
        num_classes: Outputs.
        drop_path: Drop probability of the last block.

    Raises:
        ShapeError: A number is below 1, or, in forward, H or W is no multiple of 32.

    >>> Swin(lambda channels, heads, shift: nn.Identity(), (1, 1, 1, 1), channels=32)(torch.ones(2, 3, 64, 32)).shape
    torch.Size([2, 1000])
    """

    def __init__(
        self,
        mixer: Mixer,
        depths: Sequence[int],
        *,
        channels: int = 96,
        window: int = 7,
        num_classes: int = 1000,
        drop_path: float = 0.2,
    ) -> None:
        super().__init__()
        require_positive("Swin", channels=channels, window=window, num_classes=num_classes)
        self.embed = nn.Conv2d(3, channels, 4, 4)
        self.embed_norm = nn.LayerNorm(channels)
        rates = torch.linspace(0, drop_path, sum(depths), device="cpu").tolist()
        self.stages = nn.Sequential()
        for stage, depth in enumerate(depths):
            if stage:
                self.stages.append(PatchMerging(channels))
                channels *= 2
            for index in range(depth):
                mixed = mixer(channels, channels // 32, window // 2 if index % 2 else 0)
                self.stages.append(SwinBlock(mixed, channels, drop_path=rates.pop(0)))
        self.norm = nn.LayerNorm(channels)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        if any(side % 32 for side in x.shape[2:]):
            raise ShapeError(
                f"Swin got an image of {x.shape[2]}×{x.shape[3]}, expected multiples of 32", hint="resize or pad it"
            )
        x = self.embed_norm(self.embed(x).movedim(1, 3)).movedim(3, 1)
        features = self.norm(self.stages(x).movedim(1, 3))
        logits: Tensor = self.fc(features.mean(dim=(1, 2)))
        return logits


class PatchMerging(nn.Module):
    """Put the channels of 2×2 neighbours side by side and reduce them to twice as many as one had.

    Shapes: (B, C, H, W) → (B, 2·C, H/2, W/2).

    >>> PatchMerging(8)(torch.ones(2, 8, 6, 4)).shape
    torch.Size([2, 16, 3, 2])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduce = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the merged patches."""
        x = x.movedim(1, 3)
        # the neighbours in the published order: by column, then by row
        parts = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        merged: Tensor = self.reduce(self.norm(torch.cat(parts, dim=3)))
        return merged.movedim(3, 1)
