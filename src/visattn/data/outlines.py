"""Signed distances of plane figures, all inside the unit circle: negative inside, zero on the edge.

Each takes coordinates x and y of one shape and returns distances of that shape. They are exact near straight
and round edges, which is where a drawing reads them.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
Outline = Callable[[Field, Field], Field]


def _disc(x: Field, y: Field) -> Field:
    return np.sqrt(x * x + y * y) - 0.8


def _ring(x: Field, y: Field) -> Field:
    return np.abs(np.sqrt(x * x + y * y) - 0.7) - 0.2


def _cross(x: Field, y: Field) -> Field:
    across, along = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
    return np.maximum(across - 0.3, along - 0.9)


def _crescent(x: Field, y: Field) -> Field:
    outer = np.sqrt(x * x + y * y) - 0.95
    bite = np.sqrt((x - 0.5) ** 2 + y * y) - 0.75
    return np.maximum(outer, -bite)


def _star(points: int, valley: float) -> Outline:
    """Build a star with tips at radius 1 and valleys at radius `valley`; cos(π / points) makes it a regular polygon."""
    half = math.pi / points
    # the edge runs from the tip (1, 0) to the first valley; its outward normal has this direction
    normal = math.atan2(1 - valley * math.cos(half), valley * math.sin(half))

    def distance(x: Field, y: Field) -> Field:
        # mirroring folds all sectors onto the one between a tip and a valley
        turn = np.arctan2(y, x) / (2 * half)
        angle = np.abs(turn - np.rint(turn)) * (2 * half)
        return np.sqrt(x * x + y * y) * np.cos(angle - normal) - math.cos(normal)

    return distance


OUTLINES: Mapping[str, Outline] = MappingProxyType(
    {
        "disc": _disc,
        "square": _star(4, math.cos(math.pi / 4)),
        "triangle": _star(3, 0.5),
        "star": _star(5, 0.45),
        "ring": _ring,
        "cross": _cross,
        "crescent": _crescent,
        "pentagon": _star(5, math.cos(math.pi / 5)),
    }
)
