import base64
import io

import numpy as np
import pytest
from PIL import Image

from visattn.report.figures.heatmap import heatmap_uri


def pixels(rows):
    stored = base64.b64decode(heatmap_uri(rows).removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(stored)).convert("RGBA"))


def test_rows_are_rows():
    assert pixels([[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]).shape == (2, 3, 4)


def test_nothing_is_transparent_and_the_highest_is_opaque():
    shown = pixels([[0.0, 1.0]])
    assert shown[0, :, 3].tolist() == [0, 255]


def test_lightness_and_opacity_grow_with_the_value():
    shown = pixels([np.linspace(0, 1, 64).tolist()])[0].astype(float)
    lightness = shown[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(lightness) >= -1.0)
    assert np.all(np.diff(shown[:, 3]) >= 0)


@pytest.mark.parametrize("side", [7, 16, 32])
def test_a_map_takes_little_room(side):
    rng = np.random.default_rng(0)
    assert len(heatmap_uri(rng.random((side, side)).round(2).tolist())) < 1.4 * side * side + 600
