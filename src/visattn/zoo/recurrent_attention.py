"""RAM: a recurrent network that looks at an image through a few glimpses and decides itself where to look next.

Paper: Mnih et al., Recurrent Models of Visual Attention, NeurIPS 2014, arXiv:1406.6247, section 3.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive


class Glances(NamedTuple):
    """What a sequence of T glimpses gives, besides the logits (B, num_classes) what learning where to look needs.

    Attributes:
        logits: Of the classes, after the last glimpse.
        log_probs: Of the location that each glimpse chose for the next one, (B, T).
        baselines: The reward that each state expects, (B, T).
        locations: Column and row of each glimpse, from −1 to 1, (B, T, 2).
    """

    logits: Tensor
    log_probs: Tensor
    baselines: Tensor
    locations: Tensor


class RecurrentAttention(nn.Module):
    """Classify an image from T glimpses; the state after each chooses the location of the next.

    `g = relu(W₃ relu(W₁ φ) + W₄ relu(W₂ l))` with φ the patches around `l`, `h' = relu(W g + U h)`, and the next
    location is drawn from a normal distribution around `tanh(V₂ relu(V₁ h'))`; the first is uniform. Locations are
    drawn in evaluation too. No gradient flows through them: they learn from `log_probs` and a reward.
    Shapes: (B, C, H, W) → (B, num_classes).

    Args:
        num_classes: Outputs.
        in_channels: C.
        patch: Height and width of a glimpse.
        scales: Patches of a glimpse, each twice as large as the one before and averaged down to the first's size.
        glimpses: T.
        std: Standard deviation of the locations.

    Raises:
        ShapeError: A number is below 1.

    >>> RecurrentAttention()(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        patch: int = 8,
        scales: int = 1,
        glimpses: int = 6,
        std: float = 0.05,
    ) -> None:
        super().__init__()
        require_positive("RecurrentAttention", num_classes=num_classes, in_channels=in_channels)
        require_positive("RecurrentAttention", patch=patch, scales=scales, glimpses=glimpses)
        self.patch, self.scales, self.glimpses, self.std = patch, scales, glimpses, std
        self.what = nn.Sequential(nn.Linear(scales * in_channels * patch**2, 128), nn.ReLU(), nn.Linear(128, 256))
        self.where = nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 256))
        self.input = nn.Linear(256, 256)
        self.recurrence = nn.Linear(256, 256)
        self.locate = nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 2), nn.Tanh())
        self.baseline = nn.Linear(256, 1)
        self.classify = nn.Linear(256, num_classes)

    def look(self, x: Tensor) -> Glances:
        """Return the logits and what each glimpse decided."""
        location = torch.rand(len(x), 2, device=x.device, dtype=x.dtype) * 2 - 1
        state = x.new_zeros(len(x), 256)
        log_probs, baselines, locations = [], [], []
        for _ in range(self.glimpses):
            locations.append(location)
            glimpse = torch.relu(self.what(self.retina(x, location)) + self.where(location))
            state = torch.relu(self.input(glimpse) + self.recurrence(state))
            mean = self.locate(state.detach())
            drawn = (mean + self.std * torch.randn_like(mean)).detach()
            # up to a constant; of the location before it is clamped, as published
            log_probs.append(-((drawn - mean) ** 2).sum(dim=1) / (2 * self.std**2))
            baselines.append(self.baseline(state.detach()).squeeze(1))
            location = drawn.clamp(-1, 1)
        logits: Tensor = self.classify(state)
        return Glances(logits, torch.stack(log_probs, 1), torch.stack(baselines, 1), torch.stack(locations, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.look(x).logits

    def retina(self, x: Tensor, location: Tensor) -> Tensor:
        """Return the patches around one location per image, zero beyond the border, (B, scales·C·patch²)."""
        patches = []
        for scale in range(self.scales):
            size = self.patch * 2**scale
            before, after = size // 2, size - size // 2
            padded = nn.functional.pad(x, (before, after, before, after))
            sides = location.new_tensor((x.shape[3], x.shape[2]))
            columns, rows = ((location + 1) / 2 * sides).long().unbind(dim=1)
            steps = torch.arange(size, device=x.device)
            image = torch.arange(len(x), device=x.device)[:, None, None]
            cut = padded[image, :, (rows[:, None] + steps)[:, :, None], (columns[:, None] + steps)[:, None, :]]
            patches.append(nn.functional.avg_pool2d(cut.movedim(3, 1), 2**scale).flatten(1))
        return torch.cat(patches, dim=1)
