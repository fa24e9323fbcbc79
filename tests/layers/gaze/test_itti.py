import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.gaze.itti import Itti
from visattn.layers.gaze.peaks import promote, scan

ODD = (160, 224)


def display(distractor: torch.Tensor, odd: torch.Tensor) -> torch.Tensor:
    """Return a grey image with a 5×5 grid of items (3, h, w), one of them the odd one at row 2, column 3."""
    x = torch.full((1, 3, 320, 320), 0.5)
    height, width = odd.shape[1:]
    for row in range(5):
        for column in range(5):
            item = odd if (row, column) == (2, 3) else distractor
            top, left = 32 + 64 * row - height // 2, 32 + 64 * column - width // 2
            x[0, :, top : top + height, left : left + width] = item
    return x


def filled(r: float, g: float, b: float) -> torch.Tensor:
    return torch.tensor([r, g, b])[:, None, None].expand(3, 16, 16)


def grating(vertical: bool) -> torch.Tensor:
    """Return a soft patch of waves as long as the filters' at scale 2."""
    offsets = torch.arange(48.0) - 23.5
    window = torch.exp(-(offsets[:, None] ** 2 + offsets**2) / 200)
    x = (0.5 + 0.5 * window * torch.cos(2 * torch.pi * offsets / 28)).expand(3, 48, 48)
    return x if vertical else x.mT


@pytest.mark.parametrize(
    ("distractor", "odd"),
    [
        (filled(0.6, 0.6, 0.6), filled(1, 1, 1)),
        (filled(0.25, 1, 0.25), filled(1, 0.25, 0.25)),
    ],
    ids=["intensity", "colour"],
)
def test_the_odd_one_pops_out(distractor: torch.Tensor, odd: torch.Tensor) -> None:
    place = scan(Itti()(display(distractor, odd)), 1)[0, 0]
    pixels = (place.flip(0) + 1) / 2 * 320
    torch.testing.assert_close(pixels, torch.tensor(ODD, dtype=torch.float32), rtol=0, atol=20)


def test_all_maps_of_its_orientation_peak_at_the_odd_one_and_are_promoted() -> None:
    maps = Itti().feature_maps(display(grating(vertical=True), grating(vertical=False)))
    for m in maps:
        peak = scan(m[:, 3:4], 1)[0, 0].flip(0)
        torch.testing.assert_close((peak + 1) / 2 * 320, torch.tensor(ODD, dtype=torch.float32), rtol=0, atol=20)
    totals = torch.stack([promote(m).mean(dim=(2, 3)) / m.mean(dim=(2, 3)).clamp_min(1e-6) for m in maps])
    # against the orientation of the many, which has as much contrast per item
    assert (totals[:, 0, 3] > 4 * totals[:, 0, 5]).all()


def test_there_are_42_maps_and_the_sizes_are_those_of_the_centres() -> None:
    maps = Itti().feature_maps(torch.rand(1, 3, 100, 70))
    assert sum(m.shape[1] for m in maps) == 42
    assert [tuple(m.shape[2:]) for m in maps] == [(25, 18)] * 2 + [(13, 9)] * 2 + [(7, 5)] * 2
    assert all((m >= 0).all() for m in maps)


def test_a_flat_image_has_no_saliency_unless_colour_is_as_printed() -> None:
    red = torch.tensor([0.9, 0.2, 0.1]).reshape(1, 3, 1, 1).expand(1, 3, 64, 64)
    assert all(m.abs().max() < 1e-5 for m in Itti().feature_maps(red))
    assert Itti()(red).abs().max() < 1e-3
    printed = Itti(variant="paper").feature_maps(red)
    assert all(m[:, 1].min() > 1 for m in printed)


def test_a_bar_answers_to_its_own_orientation() -> None:
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    waves = {0: rows, 90: columns, 45: (rows + columns) / 2**0.5, 135: (rows - columns) / 2**0.5}
    model = Itti(1)
    for i, angle in enumerate((0, 45, 90, 135)):
        wave = torch.cos(2 * torch.pi * waves[angle] / 7)[None, None]
        answer = model._level_features(wave.expand(1, 3, -1, -1))[0, 3:, 20:-20, 20:-20].mean(dim=(1, 2))
        assert answer.argmax() == i


def test_a_grey_image_is_a_colour_image_without_colour() -> None:
    grey = torch.rand(2, 1, 64, 80)
    torch.testing.assert_close(Itti(1)(grey), Itti(3)(grey.expand(2, 3, 64, 80)))
    assert all((m[:, 1:3] == 0).all() for m in Itti(1).feature_maps(grey))


def test_a_mirrored_image_has_a_mirrored_map() -> None:
    x = torch.rand(1, 3, 257, 257, dtype=torch.float64)
    model = Itti().double()
    torch.testing.assert_close(model(x.flip(3)), model(x).flip(3))


def test_gradient() -> None:
    x = torch.rand(1, 3, 40, 56, dtype=torch.float64, requires_grad=True)
    y = Itti().double()(x)
    y.sum().backward()
    assert y.max() > 0 and x.grad.abs().max() > 0
    assert torch.autograd.gradcheck(Itti().double(), x, fast_mode=True)


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"itti got channels=4, expected 3 \(red, green, blue\) or 1 \(grey\)"):
        Itti(4)
    with pytest.raises(ConfigError, match="itti got variant='toolbox', expected one of 'difference', 'paper'"):
        Itti(variant="toolbox")
