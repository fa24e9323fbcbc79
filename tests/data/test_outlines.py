import math

import numpy as np
import pytest

from visattn.data.outlines import OUTLINES

NAMES = sorted(OUTLINES)
POLYGONS = {"square": 4, "triangle": 3, "pentagon": 5}


def lens(big: float, small: float, apart: float) -> float:
    """Area common to two discs."""
    first = math.acos((apart**2 + big**2 - small**2) / (2 * apart * big))
    second = math.acos((apart**2 + small**2 - big**2) / (2 * apart * small))
    chord = apart * big * math.sin(first)
    return big**2 * first + small**2 * second - chord


AREAS = {
    "disc": math.pi * 0.8**2,
    "ring": math.pi * (0.9**2 - 0.5**2),
    "cross": 2 * 1.8 * 0.6 - 0.6**2,
    "star": 5 * 0.45 * math.sin(math.pi / 5),
    "crescent": math.pi * 0.95**2 - lens(0.95, 0.75, 0.5),
    **{name: n / 2 * math.sin(2 * math.pi / n) for name, n in POLYGONS.items()},
}


def grid(side: int = 801) -> tuple[np.ndarray, np.ndarray]:
    axis = np.linspace(-1.1, 1.1, side)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return x, y


@pytest.mark.parametrize("name", NAMES)
def test_the_area_is_that_of_the_figure(name: str) -> None:
    x, y = grid()
    cell = (x[0, 1] - x[0, 0]) ** 2
    assert (OUTLINES[name](x, y) < 0).sum() * cell == pytest.approx(AREAS[name], rel=0.005)


@pytest.mark.parametrize("name", NAMES)
def test_it_lies_inside_the_unit_circle(name: str) -> None:
    x, y = grid()
    assert OUTLINES[name](x, y)[np.hypot(x, y) > 1.001].min() > 0


@pytest.mark.parametrize("name", NAMES)
def test_distances_near_the_edge_are_true(name: str) -> None:
    x, y = grid()
    distance = OUTLINES[name](x, y)
    slope = np.hypot(*np.gradient(distance, x[0, 1] - x[0, 0]))
    near = np.abs(distance) < 0.03
    # corners, where two edges meet, are few
    assert np.mean(np.abs(slope[near] - 1) < 0.01) > 0.9


@pytest.mark.parametrize(("name", "turns"), [*POLYGONS.items(), ("star", 5), ("cross", 4), ("disc", 7), ("ring", 7)])
def test_it_is_symmetric(name: str, turns: int) -> None:
    x, y = grid(101)
    cos, sin = math.cos(2 * math.pi / turns), math.sin(2 * math.pi / turns)
    np.testing.assert_allclose(OUTLINES[name](x * cos - y * sin, x * sin + y * cos), OUTLINES[name](x, y), atol=1e-12)
    np.testing.assert_allclose(OUTLINES[name](x, -y), OUTLINES[name](x, y), atol=1e-12)


def test_kinds_differ_in_shape() -> None:
    x, y = grid(101)
    masks = [OUTLINES[name](x, y) < 0 for name in NAMES]
    overlaps = [(a & b).sum() / (a | b).sum() for i, a in enumerate(masks) for b in masks[:i]]
    assert max(overlaps) < 0.95
