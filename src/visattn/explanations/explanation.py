"""A heat map with the decision that it explains, and a picture of both."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.explanations.grad_cam import score_and_map

# lightness grows with the value, so the order survives colour blindness and grey print
_STOPS = (0.0, 0.35, 0.7, 1.0)
_RED_GREEN_BLUE = ((76, 190, 249, 254), (29, 24, 115, 240), (149, 93, 22, 138))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Explanation:
    """Where in an image the evidence for a class is.

    Attributes:
        image: (C, H, W), as the model got it.
        heatmap: (H, W) in [0, 1].
        target: The class that the heat map is for.
        predicted: The class that the model chose.
        probability: Softmax probability of `target`.
    """

    image: Tensor
    heatmap: Tensor
    target: int
    predicted: int
    probability: float

    def overlay(self, *, opacity: float = 0.6) -> NDArray[np.uint8]:
        """Return the image with the heat map over it, as (H, W, 3).

        The image is shown in grey, stretched to the full range, so that every colour is of the map. The map covers it
        the more, the larger its value.

        Args:
            opacity: How much the map covers where it is 1.
        """
        heat = self.heatmap.double().cpu().numpy()
        pixels = self.image.detach().double().cpu().numpy().transpose(1, 2, 0)
        pixels = (pixels - pixels.min()) / max(float(np.ptp(pixels)), 1e-12)
        covered = opacity * heat[..., None]
        mixed = (1 - covered) * pixels.mean(axis=2, keepdims=True) + covered * colours(heat)
        picture: NDArray[np.uint8] = (255 * mixed.clip(0, 1)).round().astype(np.uint8)
        return picture

    def save(self, path: str | Path) -> None:
        """Write the overlay as an image file; the ending of the name chooses the format.

        Raises:
            ConfigError: Pillow is not installed, or knows no such format.
        """
        try:
            from PIL import Image
        except ImportError as error:
            raise ConfigError("images need Pillow, which is missing", hint='pip install "visattn[compare]"') from error
        try:
            Image.fromarray(self.overlay()).save(path)
        except ValueError as error:
            raise ConfigError(f"cannot write {str(path)!r}, {error}", hint="use a name that ends in .png") from error


def explain(
    model: nn.Module, image: Tensor, *, target: int | None = None, layer: str | nn.Module | None = None
) -> Explanation:
    """Explain one decision of a classifier by `grad_cam`.

    Args:
        model: A classifier that returns (B, classes).
        image: (C, H, W) or (1, C, H, W), prepared as the model expects it.
        target: The class; by default the predicted one.
        layer: As in `grad_cam`.

    Raises:
        ShapeError: `image` is more than one image, or none.
        ConfigError: As in `grad_cam`.

    >>> import torch
    >>> model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> explain(model, torch.rand(3, 8, 8)).overlay().shape
    (8, 8, 3)
    """
    single = image[None] if image.dim() == 3 else image
    if single.dim() != 4 or len(single) != 1:
        raise ShapeError(
            f"explain got an image of shape {tuple(image.shape)}, expected (C, H, W)", hint="pass one image"
        )
    scores, heatmap = score_and_map(model, single, target=target, layer=layer)
    predicted = int(scores[0].argmax())
    chosen = predicted if target is None else target
    probability = float(scores[0].float().softmax(dim=0)[chosen])
    return Explanation(image=single[0], heatmap=heatmap[0], target=chosen, predicted=predicted, probability=probability)


def colours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the colours of a heat map, from dark violet over red and orange to pale yellow.

    Args:
        values: Any shape, in [0, 1].

    Returns:
        One axis more, of red, green and blue in [0, 1].

    >>> colours(np.array([0.0, 1.0])).shape
    (2, 3)
    """
    return np.stack([np.interp(values, _STOPS, channel) for channel in _RED_GREEN_BLUE], axis=-1) / 255
