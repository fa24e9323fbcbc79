"""RA-CNN: a network proposes the square of an image that is worth a closer look, and learns from what that look adds.

Paper: Fu et al., Look Closer to See Better: Recurrent Attention Convolutional Neural Network for Fine-grained Image
Recognition, CVPR 2017, section 3.
"""

from typing import Any

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ConfigError, ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.gaze.boxcar_crop import BoxcarCrop
from visattn.layers.gaze.copied_crop import CopiedCrop


class RACNN(nn.Module):
    """Propose a square from the features of an image, and enlarge the square for the next scale.

    `(x, y, l) = σ(W₂ tanh(W₁ f + b₁) + b₂)` in parts of the image, l of half of it (Fu et al., eq. 3); see `BoxcarCrop`
    for the rest. A new module proposes about the middle half. The square stays inside the image.
    Shapes: (B, C, H, W) features → (B, C', size, size) crop and (B, 3) square, as x, y and half a side in pixels.
    Cost per image: C·H·W·hidden + 3·hidden MACs.

    Args:
        channels: C.
        height: H.
        width: W.
        hidden: Units between the two layers.
        size: Side of the crop.
        sharpness: Of the edges of the soft box.
        minimum: Smallest side of a square, in parts of the image.
        pool: Halve the features by their maximum first, as the proposal at the first scale.

    Raises:
        ShapeError: A size is below 1, or the features have another size than `height` and `width`.
        ConfigError: `minimum` is not from 0 to 1, or `sharpness` is not above 0.

    >>> look = RACNN(16, height=14, width=14, hidden=32, size=56)
    >>> crop, square = look(torch.randn(2, 16, 14, 14), torch.rand(2, 3, 448, 448))
    >>> crop.shape, square.shape
    (torch.Size([2, 3, 56, 56]), torch.Size([2, 3]))
    """

    def __init__(
        self,
        channels: int,
        *,
        height: int,
        width: int,
        hidden: int = 1024,
        size: int = 224,
        sharpness: float = 10.0,
        minimum: float = 1 / 3,
        pool: bool = False,
    ) -> None:
        super().__init__()
        require_positive("racnn", channels=channels, height=height, width=width, hidden=hidden, size=size)
        if not 0 <= minimum <= 1:
            raise ConfigError(
                f"racnn got minimum={minimum}, expected 0 to 1", hint="pass a part of the image, such as 1/3"
            )
        if sharpness <= 0:
            raise ConfigError(f"racnn got sharpness={sharpness}, expected a number above 0", hint="10 is usual")
        self.height, self.width, self.minimum = height, width, minimum
        # an image of one row or column has nothing to halve
        self.pool = nn.MaxPool2d(2, ceil_mode=True) if pool else nn.Identity()
        rows, columns = (-(-height // 2), -(-width // 2)) if pool else (height, width)
        self.propose = nn.Sequential(
            nn.Linear(channels * rows * columns, hidden), nn.Tanh(), nn.Linear(hidden, 3), nn.Sigmoid()
        )
        self.crop = BoxcarCrop(size, sharpness)

    def region(self, features: Tensor, height: int, width: int) -> Tensor:
        """Return the squares that the features propose in an image of that size, (B, 3)."""
        if features.shape[2:] != (self.height, self.width):
            raise ShapeError(
                f"racnn was built for features of {self.height}×{self.width}, got {tuple(features.shape[2:])}",
                hint="build it with height and width of the features, or resize the image",
            )
        x, y, half = self.propose(self.pool(features).flatten(1)).unbind(dim=1)
        shorter = min(height, width)
        half = (shorter / 2 * half).clamp(self.minimum * shorter / 2).clamp(max=(shorter - 1) / 2)
        x = (x * width).maximum(half).minimum(width - 1 - half)
        y = (y * height).maximum(half).minimum(height - 1 - half)
        return torch.stack((x, y, half), dim=1)

    def forward(self, features: Tensor, image: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the enlarged squares of `image`, or of the features themselves, and the squares."""
        image = features if image is None else image
        region = self.region(features, *image.shape[2:])
        return self.crop(image, region), region


def rank_loss(probabilities: Tensor, *, margin: float = 0.05) -> Tensor:
    """Return `Σ_s max(0, p_s − p_{s+1} + margin)`, averaged over the images: a closer look has to be surer (eq. 9).

    Args:
        probabilities: Of the right class at each scale, (B, scales).
        margin: By how much.

    >>> round(rank_loss(torch.tensor([[0.5, 0.75, 0.75]])).item(), 4)
    0.05
    """
    return (probabilities[:, :-1] - probabilities[:, 1:] + margin).relu().sum(dim=1).mean()


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    hidden: int = 1024,
    size: int = 224,
    sharpness: float = 10.0,
    minimum: float = 1 / 3,
    pool: bool = False,
) -> Cost:
    """Closed-form cost of `RACNN` for one image; sampling the crop is not counted."""
    rows, columns = (-(-height // 2), -(-width // 2)) if pool else (height, width)
    weights = (channels * rows * columns + 3) * hidden
    return Cost(params=weights + hidden + 3, macs=weights)


def _masked(module: Any, x: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    mask = module.mask(region, *x.shape[2:])
    return x * mask, mask


SPEC = Spec(
    name="racnn",
    role=Role.GAZE,
    family="gaze",
    summary="Proposes the square of an image that is worth a closer look, and enlarges it differentiably.",
    build=RACNN,
    maths=(
        "(x, y, l) = σ(W₂ tanh(W₁ f + b₁) + b₂), in parts of the image, l of half of it",
        "M = [h(c − (x − l)) − h(c − (x + l))] · [h(r − (y − l)) − h(r − (y + l))], h(z) = σ(k z)",
        "crop = the square of image · M, sampled bilinearly corner to corner",
        "rank loss = Σ_s max(0, p_s − p_{s+1} + 0.05), p_s the probability of the right class at scale s",
    ),
    paper=Paper(
        title="Look Closer to See Better: Recurrent Attention Convolutional Neural Network for Fine-grained Image "
        "Recognition",
        authors="Fu, Zheng, Mei",
        venue="CVPR",
        year=2017,
    ),
    official=(
        Official(
            source="paper formula (Fu et al. CVPR 2017, eq. 4-6)",
            licence="none",
            build=lambda k: BoxcarCrop(size=1, sharpness=k),
            call=_masked,
        ),
        Official(
            source="jeong-tae/RACNN-pytorch:models/RACNN.py:AttentionCropLayer",
            licence="none",
            build=lambda out_size=224: CopiedCrop(size=out_size),
        ),
    ),
    options={
        "hidden": "units between the two layers",
        "size": "side of the crop",
        "sharpness": "k, of the edges of the soft box",
        "minimum": "smallest side of a square, in parts of the image",
        "pool": "halve the features by their maximum first, as at the first scale",
    },
    default_reason="The proposal at the second scale, on 14×14 features; the first scale has 28×28 and pool=True.",
    differs=(
        "The paper draws the derivative of its mask as regions of constant sign; here it is the derivative.",
        "jeong-tae's copy makes up the square's gradient: −Σ g² over the outer thirds, whatever the sign of g.",
        "It also rounds the square to pixels, counts rows first, and lets no side be below two thirds of the image.",
        "It takes the rank loss of logits; the paper's is of probabilities.",
        "The paper starts the proposals at the strongest response of the features, by training; here in the middle.",
    ),
    cost=cost,
    fixed_size=True,
)
