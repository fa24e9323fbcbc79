import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.conv.geometry import Geometry
from visattn.layers.conv.neighbourhood import neighbours, require_mirror, require_same_padding


def mirror(index: int, size: int) -> int:
    return -index if index < 0 else 2 * (size - 1) - index if index >= size else index


@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 1, 1), (5, 2, 1), (3, 3, 2), (1, 2, 1)])
def test_pixels_around_with_the_border_mirrored(size: int, stride: int, dilation: int, image) -> None:
    radius, x = dilation * (size // 2), image(3, 6, 5)
    found = neighbours(x, Geometry(kernel_size=size, stride=stride, padding=radius, dilation=dilation))
    centres = [(i, j) for i in range(0, 6, stride) for j in range(0, 5, stride)]
    assert found.shape == (2, 3, size**2, len(centres))
    for number, (i, j) in enumerate(centres):
        for tap in range(size**2):
            row = mirror(i + dilation * (tap // size) - radius, 6)
            column = mirror(j + dilation * (tap % size) - radius, 5)
            assert torch.equal(found[:, :, tap, number], x[:, :, row, column])


def test_same_padding() -> None:
    require_same_padding("san", Geometry(kernel_size=5, stride=2, padding=4, dilation=2))
    with pytest.raises(
        ShapeError,
        match="^san got padding=2 with kernel_size=5 and dilation=2, expected 4: attention has one query per pixel",
    ):
        require_same_padding("san", Geometry(kernel_size=5, stride=1, padding=2, dilation=2))


@pytest.mark.parametrize(("height", "width"), [(2, 9), (9, 2)])
def test_an_input_smaller_than_the_mirrored_border(height: int, width: int) -> None:
    geometry = Geometry(kernel_size=5, stride=1, padding=2, dilation=1)
    require_mirror("san", torch.ones(1, 1, 3, 3), geometry)
    with pytest.raises(ShapeError, match=f"^san got a {height}×{width} input, expected height and width above 2"):
        require_mirror("san", torch.ones(1, 1, height, width), geometry)
