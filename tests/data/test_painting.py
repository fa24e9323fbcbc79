import math

import numpy as np
import pytest

from visattn.data.outlines import OUTLINES
from visattn.data.painting import Canvas, Layer
from visattn.data.textures import LATTICE

KINDS = list(OUTLINES)


def one(value: float) -> np.ndarray:
    return np.full((1, 1, 1), value, np.float32)


def layer(kind: str = "disc", **changes: object) -> Layer:
    white = np.ones((1, 3, 1, 1), np.float32)
    plain = Layer(
        centre=(one(0.5), one(0.5)),
        radius=one(0.3),
        outline=np.array([KINDS.index(kind)]),
        turn=(one(1), one(0)),
        cut=one(1),
        texture=np.array([0]),
        grain=(one(1), one(0)),
        frequency=one(5),
        phase=(one(0), one(0)),
        colours=(white, white),
    )
    return plain._replace(**changes)


def canvas(size: int = 100, margin: int = 10) -> Canvas:
    pixels = np.zeros((1, 3, size + 2 * margin, size + 2 * margin), np.float32)
    return Canvas(pixels, size, margin, np.zeros((1, LATTICE, LATTICE), np.float32))


def corner(row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row]), np.array([column])


def test_a_fill_reaches_every_pixel() -> None:
    image = canvas()
    colours = (np.full((1, 3, 1, 1), 0.2, np.float32), np.full((1, 3, 1, 1), 0.8, np.float32))
    image.fill(layer(colours=colours))
    assert image.pixels.min() == pytest.approx(0.2)
    assert image.pixels.max() == pytest.approx(0.8)
    assert image.pixels.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("kind", "area"), [("disc", math.pi * 0.64), ("square", 2.0), ("cross", 1.8)])
def test_coverage_adds_up_to_the_area(kind: str, area: float) -> None:
    covered = canvas().paint(layer(kind), corner(0, 0), 100)
    assert covered.sum() == pytest.approx(area * 30**2, rel=0.003)


def test_a_cut_through_the_centre_leaves_the_other_half() -> None:
    whole = canvas().paint(layer(), corner(0, 0), 100)
    half = canvas().paint(layer(cut=one(0)), corner(0, 0), 100)
    assert half.sum() == pytest.approx(whole.sum() / 2, rel=0.01)
    assert half[0, :, 51:].max() == 0


def test_figures_turn_around_their_centre() -> None:
    upright = canvas().paint(layer("triangle"), corner(0, 0), 100)[0]
    quarter = canvas().paint(layer("triangle", turn=(one(0), one(1))), corner(0, 0), 100)[0]
    np.testing.assert_allclose(np.rot90(upright, -1), quarter, atol=1e-4)


def test_a_window_paints_what_the_whole_image_would() -> None:
    whole, part = canvas(), canvas()
    small = layer(radius=one(0.1), centre=(one(0.1), one(0.4)))
    whole.paint(small, corner(0, 0), 100)
    part.paint(small, corner(28, -2), 24)
    assert np.array_equal(whole.finished(), part.finished())
    assert part.finished().any()


def test_what_reaches_over_the_edge_is_cut_off_there() -> None:
    image = canvas()
    image.paint(layer(radius=one(0.1), centre=(one(0), one(0))), corner(-10, -10), 24)
    found = image.finished()[0, 0]
    assert found.shape == (100, 100)
    assert found.sum() / 255 == pytest.approx(math.pi * 8**2 / 4, rel=0.02)


def test_later_layers_hide_earlier_ones() -> None:
    image = canvas()
    image.fill(layer())
    black = np.zeros((1, 3, 1, 1), np.float32)
    coverage = image.paint(layer(colours=(black, black)), corner(0, 0), 100)
    np.testing.assert_array_equal(image.finished()[0, 0], np.rint((1 - coverage[0]) * 255))
