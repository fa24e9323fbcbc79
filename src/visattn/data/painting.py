"""Painting textured figures onto many images at once, with soft edges."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from visattn.data.outlines import OUTLINES, Field
from visattn.data.textures import TEXTURES

Kinds = NDArray[np.int64]


class Layer(NamedTuple):
    """One thing to paint in each of B images; lengths are in widths of the image.

    Attributes:
        centre: x and y, each (B, 1, 1).
        radius: (B, 1, 1).
        outline: Index into `OUTLINES`, (B,).
        turn: Cosine and sine of the rotation, each (B, 1, 1).
        cut: Where a straight cut ends the figure, in radii from the centre; 1 or more cuts nothing, (B, 1, 1).
        texture: Index into `TEXTURES`, (B,).
        grain: Cosine and sine of the direction of the texture and of the cut, each (B, 1, 1).
        frequency: Periods of the texture in the width of the image, (B, 1, 1).
        phase: Offset of the texture in periods, each (B, 1, 1).
        colours: The two colours of the texture in 0-1, each (B, 3, 1, 1).
    """

    centre: tuple[Field, Field]
    radius: Field
    outline: Kinds
    turn: tuple[Field, Field]
    cut: Field
    texture: Kinds
    grain: tuple[Field, Field]
    frequency: Field
    phase: tuple[Field, Field]
    colours: tuple[Field, Field]


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Images being painted, with a margin around each for what reaches over the edge.

    Attributes:
        pixels: (B, 3, size + 2 · margin, size + 2 · margin), in 0-1.
        size: Height and width of the images.
        margin: Pixels around them.
        lattice: Random numbers of each image for the textures, (B, 16, 16).
    """

    pixels: Field
    size: int
    margin: int
    lattice: Field

    def fill(self, layer: Layer) -> None:
        """Paint the texture of a layer everywhere."""
        span = np.arange(-self.margin, self.size + self.margin)
        x, y = self._offsets(layer, span[None], span[None])
        first, second = layer.colours
        self.pixels[:] = first + (second - first) * self._mixture(layer, x, y)[:, None]

    def paint(self, layer: Layer, corner: tuple[Kinds, Kinds], window: int) -> Field:
        """Paint a layer within a square window of each image and return how much it covers, (B, window, window).

        Args:
            layer: What to paint.
            corner: Row and column of the window's first pixel, each (B,); the margin has negative ones.
            window: Height and width of the window in pixels.
        """
        rows, columns = (start[:, None] + np.arange(window) for start in corner)
        x, y = self._offsets(layer, rows, columns)
        coverage, mixture = self._coverage(layer, x, y), self._mixture(layer, x, y)
        image, row, column = np.arange(len(rows))[:, None, None], rows[:, :, None], columns[:, None, :]
        for channel in range(3):
            place = image, channel, row + self.margin, column + self.margin
            first, second = (colour[:, channel] for colour in layer.colours)
            below = self.pixels[place]
            self.pixels[place] = below + (first + (second - first) * mixture - below) * coverage
        return coverage

    def finished(self) -> NDArray[np.uint8]:
        """Return the images without their margins as uint8, (B, 3, size, size)."""
        inner = slice(self.margin, self.margin + self.size)
        return np.rint(self.pixels[:, :, inner, inner] * 255).astype(np.uint8)

    def _offsets(self, layer: Layer, rows: Kinds, columns: Kinds) -> tuple[Field, Field]:
        x = ((columns + 0.5) / self.size).astype(np.float32)[:, None, :] - layer.centre[0]
        y = ((rows + 0.5) / self.size).astype(np.float32)[:, :, None] - layer.centre[1]
        return x, y

    def _coverage(self, layer: Layer, x: Field, y: Field) -> Field:
        u, v = _rotated(x, y, layer.turn)
        u, v = u / layer.radius, v / layer.radius
        distance = np.empty_like(u)
        for kind, outline in enumerate(OUTLINES.values()):
            chosen = layer.outline == kind
            distance[chosen] = outline(u[chosen], v[chosen])
        distance = np.maximum(distance, _rotated(u, v, layer.grain)[0] - layer.cut)
        return np.clip(0.5 - distance * layer.radius * self.size, 0, 1)

    def _mixture(self, layer: Layer, x: Field, y: Field) -> Field:
        u, v = _rotated(x, y, layer.grain)
        u, v = u * layer.frequency + layer.phase[0], v * layer.frequency + layer.phase[1]
        period = self.size / layer.frequency
        mixture = np.empty_like(u)
        for kind, texture in enumerate(TEXTURES):
            chosen = layer.texture == kind
            mixture[chosen] = texture(u[chosen], v[chosen], period[chosen], self.lattice[chosen])
        return mixture


def _rotated(x: Field, y: Field, direction: tuple[Field, Field]) -> tuple[Field, Field]:
    cos, sin = direction
    return x * cos + y * sin, y * cos - x * sin
