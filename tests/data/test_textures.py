import numpy as np
import pytest

from visattn.data.textures import LATTICE, TEXTURES

STRIPES, CHECKS, NOISE, GRADIENT, DOTS = TEXTURES
RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-20, 20, (2, 3, 40, 50))
LATTICES = RNG.random((3, LATTICE, LATTICE))
FINE = np.full((3, 1, 1), 1000.0)


@pytest.mark.parametrize("texture", TEXTURES)
@pytest.mark.parametrize("period", [1.5, 8, 1000])
def test_mixtures_are_between_0_and_1(texture: object, period: float) -> None:
    mixture = texture(*POINTS, np.full((3, 1, 1), period), LATTICES)
    assert mixture.shape == (3, 40, 50)
    assert mixture.min() >= 0
    assert mixture.max() <= 1
    assert mixture.std() > 0.05


@pytest.mark.parametrize(
    ("texture", "along", "across"),
    [(STRIPES, 1, 0.123), (CHECKS, 1, 1), (DOTS, 1, 1), (GRADIENT, 6, 0.123), (NOISE, LATTICE / 2, LATTICE / 2)],
)
def test_they_repeat(texture: object, along: float, across: float) -> None:
    u, v = POINTS
    here = texture(u, v, FINE, LATTICES)
    np.testing.assert_allclose(texture(u + along, v, FINE, LATTICES), here, atol=1e-9)
    np.testing.assert_allclose(texture(u, v + across, FINE, LATTICES), here, atol=1e-9)


@pytest.mark.parametrize(("texture", "share"), [(STRIPES, 0.5), (CHECKS, 0.5), (DOTS, np.pi * 0.32**2)])
def test_the_second_colour_has_its_share(texture: object, share: float) -> None:
    axis = (np.arange(400) + 0.5) / 100
    u, v = np.broadcast_arrays(axis[None, None, :], axis[None, :, None])
    assert texture(u, v, FINE[:1], LATTICES[:1]).mean() == pytest.approx(share, abs=0.003)


def test_neighbouring_checks_differ() -> None:
    u, v = np.array([[[0.0, 0.5, 0.0, 0.5]]]), np.array([[[0.0, 0.0, 0.5, 0.5]]])
    assert CHECKS(u, v, FINE[:1], LATTICES[:1]).ravel().tolist() == [1, 0, 0, 1]


def test_noise_passes_through_its_lattice() -> None:
    i, j = np.meshgrid(np.arange(LATTICE), np.arange(LATTICE), indexing="ij")
    found = NOISE(np.stack([i / 2] * 3), np.stack([j / 2] * 3), FINE, LATTICES)
    np.testing.assert_allclose(found, LATTICES)


def test_edges_are_one_pixel_wide() -> None:
    period = 20.0
    u = (np.arange(40) + 0.3)[None, None, :] / period
    mixture = STRIPES(u, u, np.full((1, 1, 1), period), LATTICES[:1]).ravel()
    soft = (mixture > 0) & (mixture < 1)
    assert soft.sum() == 4
    assert np.abs(np.diff(mixture)).max() <= 1
