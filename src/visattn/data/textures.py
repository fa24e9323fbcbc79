"""Patterns between two colours: how much of the second colour a point has, in 0-1.

Each takes coordinates u and v (B, H, W) in periods of the pattern, the width of a period in pixels (B, 1, 1),
over which edges are softened by one pixel, and random numbers (B, 16, 16) for patterns that need them.
"""

from collections.abc import Callable

import numpy as np

from visattn.data.outlines import Field

Texture = Callable[[Field, Field, Field, Field], Field]

LATTICE = 16


def _triangle_wave(u: Field) -> Field:
    distance: Field = np.abs(u - np.floor(u) - 0.5)
    return distance * 4 - 1


def _square_wave(u: Field, period: Field) -> Field:
    return np.clip(_triangle_wave(u) * np.maximum(period / 2, 1), -1, 1)


def _stripes(u: Field, v: Field, period: Field, lattice: Field) -> Field:
    return _square_wave(u, period) * 0.5 + 0.5


def _checks(u: Field, v: Field, period: Field, lattice: Field) -> Field:
    return _square_wave(u, period) * _square_wave(v, period) * 0.5 + 0.5


def _gradient(u: Field, v: Field, period: Field, lattice: Field) -> Field:
    return _triangle_wave(u / 6) * 0.5 + 0.5


def _dots(u: Field, v: Field, period: Field, lattice: Field) -> Field:
    du, dv = u - np.floor(u) - 0.5, v - np.floor(v) - 0.5
    dots: Field = np.clip((0.32 - np.sqrt(du * du + dv * dv)) * period + 0.5, 0, 1)
    return dots


def _noise(u: Field, v: Field, period: Field, lattice: Field) -> Field:
    image = np.arange(len(u))[:, None, None]
    row, column = np.floor(u * 2), np.floor(v * 2)
    du, dv = u * 2 - row, v * 2 - column

    def at(i: int, j: int) -> Field:
        corner: Field = lattice[image, (row.astype(int) + i) % LATTICE, (column.astype(int) + j) % LATTICE]
        return corner

    near = at(0, 0) * (1 - dv) + at(0, 1) * dv
    far = at(1, 0) * (1 - dv) + at(1, 1) * dv
    return near * (1 - du) + far * du


TEXTURES: tuple[Texture, ...] = (_stripes, _checks, _noise, _gradient, _dots)
