"""A glimpse: the part of an image around a point, sharp in the middle and coarse around it, and its encoding.

Paper: Mnih et al., Recurrent Models of Visual Attention, NeurIPS 2014, arXiv:1406.6247, section 3.1 and figure 1.
"""

import torch
from torch import Tensor, nn


class Retina(nn.Module):
    """Cut square patches around a point, each larger than the one before, and pool all to the size of the first.

    Shapes: (B, C, H, W), (B, 2) → (B, scales·C·patch_size²), the smallest patch first. Outside the image is 0.

    Args:
        patch_size: Side of the smallest patch, in pixels.
        scales: Number of patches.
        scale_factor: Each patch is so many times larger than the one before.
    """

    def __init__(self, patch_size: int, scales: int, scale_factor: int) -> None:
        super().__init__()
        self.patch_size, self.scales, self.scale_factor = patch_size, scales, scale_factor

    def forward(self, x: Tensor, location: Tensor) -> Tensor:
        """Return the patches around `location`: x to the right and y down, from −1 to 1 over the image."""
        height, width = x.shape[2:]
        extent = torch.tensor([width, height], dtype=location.dtype, device=location.device)
        centre = (0.5 * (location.clamp(-1, 1) + 1) * extent).long()
        patches = []
        for scale in range(self.scales):
            factor = self.scale_factor**scale
            patch = _cut(x, centre, self.patch_size * factor)
            patches.append(nn.functional.avg_pool2d(patch, factor))
        return torch.cat(patches, dim=1).flatten(1)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"patch_size={self.patch_size}, scales={self.scales}, scale_factor={self.scale_factor}"


def _cut(x: Tensor, centre: Tensor, size: int) -> Tensor:
    before, after = size // 2, size - size // 2
    padded = nn.functional.pad(x, (before, after, before, after))
    # the padding moves a patch's first row and column onto its centre
    span = centre[:, :, None] + torch.arange(size, device=x.device)
    samples = torch.arange(x.shape[0], device=x.device)[:, None, None]
    return padded[samples, :, span[:, 1, :, None], span[:, 0, None, :]].permute(0, 3, 1, 2)


class GlimpseNetwork(nn.Module):
    """Encode what is seen at a point, and where it is: `g = relu(W₃ relu(W₁ ρ) + W₄ relu(W₂ l))` with biases.

    Shapes: (B, C, H, W), (B, 2) → (B, what_features + where_features).

    Args:
        channels: C.
        retina: Cuts the patches.
        what_features: Hidden units for the patches.
        where_features: Hidden units for the point.
    """

    def __init__(self, channels: int, retina: Retina, *, what_features: int, where_features: int) -> None:
        super().__init__()
        out = what_features + where_features
        self.retina = retina
        self.what = nn.Linear(retina.scales * channels * retina.patch_size**2, what_features)
        self.where = nn.Linear(2, where_features)
        self.what_out = nn.Linear(what_features, out)
        self.where_out = nn.Linear(where_features, out)

    def forward(self, x: Tensor, location: Tensor) -> Tensor:
        """Return the encoded glimpses."""
        what, where = self.what(self.retina(x, location)).relu(), self.where(location).relu()
        glimpse: Tensor = self.what_out(what) + self.where_out(where)
        return glimpse.relu()


class Core(nn.Module):
    """A plain recurrent unit: `h' = relu(W g + U h)` with biases. Shapes: (B, in), (B, hidden) → (B, hidden)."""

    def __init__(self, in_features: int, hidden_features: int) -> None:
        super().__init__()
        self.input = nn.Linear(in_features, hidden_features)
        self.state = nn.Linear(hidden_features, hidden_features)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Return the next state."""
        hidden: Tensor = self.input(x) + self.state(state)
        return hidden.relu()
