import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.gaze.peaks import is_peak, promote, scan


def spots(*places: tuple[int, int, float], size: tuple[int, int] = (9, 12)) -> torch.Tensor:
    x = torch.zeros(1, 1, *size)
    for row, column, height in places:
        x[0, 0, row, column] = height
    return x


def test_a_plateau_is_one_peak() -> None:
    x = spots((2, 2, 1.0), (2, 3, 1.0), (3, 2, 1.0), (3, 3, 1.0), (7, 9, 0.5))
    assert is_peak(x).nonzero()[:, 2:].tolist() == [[2, 2], [7, 9]]


def test_a_flat_map_has_no_peak_above_0() -> None:
    assert not is_peak(torch.zeros(1, 1, 4, 4)).any()
    assert not is_peak(-torch.ones(1, 1, 4, 4)).any()


def test_one_peak_stays_and_equal_peaks_vanish() -> None:
    one = spots((4, 4, 3.0))
    torch.testing.assert_close(promote(one), one / 3)
    assert (promote(spots((1, 1, 2.0), (4, 4, 2.0), (7, 7, 2.0))) == 0).all()


def test_by_hand() -> None:
    """Peaks 4, 2 and 1 scale to 1, ½ and ¼; the mean of the others is ⅜, so the map is multiplied by (⅝)²."""
    x = spots((1, 1, 4.0), (4, 4, 2.0), (7, 7, 1.0))
    torch.testing.assert_close(promote(x), x / 4 * 0.625**2)


def test_neither_scale_nor_offset_matters_and_maps_do_not_meet() -> None:
    x = torch.rand(2, 3, 9, 12, dtype=torch.float64)
    torch.testing.assert_close(promote(5 * x + 7), promote(x))
    torch.testing.assert_close(promote(x)[1:, 2:], promote(x[1:, 2:]))


def test_noise_of_a_flat_map_is_not_stretched() -> None:
    assert promote(0.5 + 1e-7 * torch.rand(1, 1, 9, 9)).max() < 0.01


def test_gradient() -> None:
    x = torch.rand(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(promote, x)


def test_winners_come_in_order_and_inhibit_their_surround() -> None:
    x = spots((4, 2, 3.0), (4, 3, 2.9), (8, 11, 2.0), (0, 11, 1.0))
    places = scan(torch.cat((x, x.flip(3))), 3, radius=1 / 6)
    rows, columns = torch.tensor([4, 8, 0]), torch.tensor([2, 11, 11])
    expected = torch.stack(((2 * columns + 1) / 12 - 1, (2 * rows + 1) / 9 - 1), dim=1)
    torch.testing.assert_close(places[0], expected)
    torch.testing.assert_close(places[1], expected * torch.tensor([-1.0, 1.0]))


def test_scanning_leaves_the_map_alone() -> None:
    x = torch.rand(1, 1, 5, 5)
    before = x.clone()
    scan(x, 3)
    assert torch.equal(x, before)


def test_errors() -> None:
    with pytest.raises(ShapeError, match="scan got count=0, expected at least 1"):
        scan(torch.rand(1, 1, 5, 5), 0)
