"""Drawn scenes: one whole textured figure among textured fragments of figures, with its box and its mask."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visattn.core.errors import ConfigError
from visattn.data.outlines import OUTLINES, Field
from visattn.data.painting import Canvas, Kinds, Layer
from visattn.data.textures import LATTICE, TEXTURES

_FRAGMENTS = 6
_FIGURE_RADII = (0.24, 0.4)
_FRAGMENT_RADII = (0.05, 0.14)
# the two colours of a texture differ by this part of a random difference
_CONTRAST = 0.35
# the figure and the background differ by at least this in every channel of their first colours
_SEPARATION = 0.3
_DRAWS = 17
_CHUNK_PIXELS = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class ShapeScenes:
    """Drawn scenes and what is in them.

    Attributes:
        images: (N, 3, H, W) uint8.
        labels: (N,) int64, the kind of the figure, an index into `OUTLINES`.
        boxes: (N, 4) int64, x1, y1, x2, y2 in pixels, tight around the mask; x2 and y2 lie just outside it.
        masks: (N, H, W) uint8, 1 where the figure covers half of the pixel or more.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    boxes: NDArray[np.int64]
    masks: NDArray[np.uint8]


def shapes(count: int, size: int = 64, classes: int = 6, seed: int = 0) -> ShapeScenes:
    """Draw scenes for classification, detection and segmentation; the class is the kind of the whole figure.

    Colours, textures, sizes, positions and rotations are random and say nothing about the class. The other figures
    are smaller and cut in two. Image i shows class i mod `classes`, and nothing else of it depends on `count` or
    `classes`; a size is only a resolution, so that one seed draws the same scenes at every size.

    Args:
        count: N.
        size: Height and width in pixels, 16 or above.
        classes: How many of the kinds in `OUTLINES`, at least 2.
        seed: 0 or above.

    Raises:
        ConfigError: An argument is out of range.

    >>> scenes = shapes(6, size=32)
    >>> scenes.images.shape, scenes.boxes.shape
    ((6, 3, 32, 32), (6, 4))
    """
    for name, value, low in (("count", count, 1), ("size", size, 16), ("classes", classes, 2), ("seed", seed, 0)):
        if value < low:
            raise ConfigError(f"shapes got {name}={value}, expected at least {low}")
    if classes > len(OUTLINES):
        raise ConfigError(f"shapes got classes={classes}, expected at most {len(OUTLINES)}")
    labels = np.arange(count, dtype=np.int64) % classes
    images = np.empty((count, 3, size, size), np.uint8)
    masks = np.empty((count, size, size), np.uint8)
    step = max(1, _CHUNK_PIXELS // size**2)
    for start in range(0, count, step):
        indices = range(start, min(start + step, count))
        here = slice(start, indices.stop)
        images[here], masks[here] = _draw(indices, labels[here], size, seed)
    return ShapeScenes(images, labels, _boxes(masks), masks)


def _draw(indices: range, labels: Kinds, size: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    shape = (_FRAGMENTS + 2, _DRAWS)
    count = math.prod(shape)
    draws = np.stack([np.random.default_rng([seed, i]).random(count + LATTICE**2, np.float32) for i in indices])
    uniform, lattice = np.split(draws, [count], axis=1)
    background, *fragments, figure = uniform.reshape(-1, *shape).swapaxes(0, 1)

    window = math.ceil(2 * _FRAGMENT_RADII[1] * size) + 4
    margin = window // 2 + 1
    side = size + 2 * margin
    blank = np.empty((len(indices), 3, side, side), np.float32)
    canvas = Canvas(blank, size, margin, lattice.reshape(-1, LATTICE, LATTICE))
    behind = _layer(background, _FIGURE_RADII)
    canvas.fill(behind)
    for fragment in (_layer(draw, _FRAGMENT_RADII) for draw in fragments):
        column, row = (np.floor(c[:, 0, 0] * size - window / 2).astype(np.int64) for c in fragment.centre)
        canvas.paint(fragment, (row, column), window)
    origin = np.zeros(len(indices), np.int64)
    coverage = canvas.paint(_whole(_layer(figure, _FIGURE_RADII), labels, behind), (origin, origin), size)
    return canvas.finished(), (coverage >= 0.5).astype(np.uint8)


def _layer(uniform: Field, radii: tuple[float, float]) -> Layer:
    """Turn random numbers (B, 17) into a fragment: any kind, cut near its centre, anywhere."""
    x, y, size, turn, cut, grain, frequency, phase_u, phase_v = uniform.T[:9, :, None, None]
    first, second = uniform[:, 11:14, None, None], uniform[:, 14:17, None, None]
    return Layer(
        centre=(x, y),
        radius=radii[0] + size * (radii[1] - radii[0]),
        outline=(uniform[:, 9] * len(OUTLINES)).astype(np.int64),
        turn=_direction(turn),
        cut=cut * 0.4 - 0.3,
        texture=(uniform[:, 10] * len(TEXTURES)).astype(np.int64),
        grain=_direction(grain),
        frequency=4 + 6 * frequency,
        phase=(phase_u * LATTICE, phase_v * LATTICE),
        colours=(first, first + (second - first) * _CONTRAST),
    )


def _whole(layer: Layer, labels: Kinds, background: Layer) -> Layer:
    """Make a layer the figure: uncut, inside the image, and of another colour than the background."""
    x, y = (layer.radius + c * (1 - 2 * layer.radius) for c in layer.centre)
    first, second = layer.colours
    # going around the unit interval keeps the distance on both sides
    away = (background.colours[0] + _SEPARATION + first * (1 - 2 * _SEPARATION)) % 1
    return layer._replace(
        centre=(x, y), outline=labels, cut=np.ones_like(layer.cut), colours=(away, np.clip(away + second - first, 0, 1))
    )


def _direction(turns: Field) -> tuple[Field, Field]:
    return np.cos(turns * (2 * math.pi)), np.sin(turns * (2 * math.pi))


def _boxes(masks: NDArray[np.uint8]) -> NDArray[np.int64]:
    columns, rows = (masks.max(axis=axis) for axis in (1, 2))
    first = [side.argmax(axis=1) for side in (columns, rows)]
    last = [masks.shape[-1] - side[:, ::-1].argmax(axis=1) for side in (columns, rows)]
    return np.stack(first + last, axis=1).astype(np.int64)
