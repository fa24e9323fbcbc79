import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.explanations import Explanation, explain, grad_cam
from visattn.explanations.explanation import colours


@pytest.fixture
def model():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    generator = torch.Generator().manual_seed(1)
    for parameter in model.requires_grad_(False).parameters():
        nn.init.normal_(parameter, generator=generator)
    return model


@pytest.fixture
def image():
    return torch.rand(3, 8, 10, generator=torch.Generator().manual_seed(2))


def explanation(pixels, heat):
    return Explanation(image=pixels, heatmap=heat, target=0, predicted=0, probability=1.0)


def test_decision_is_the_model_s(model, image):
    found = explain(model, image)
    probabilities = model(image[None])[0].softmax(dim=0)
    assert found.predicted == found.target == int(probabilities.argmax())
    assert found.probability == pytest.approx(float(probabilities.max()))
    torch.testing.assert_close(found.heatmap, grad_cam(model, image[None])[0])


def test_other_target(model, image):
    other = (explain(model, image).predicted + 1) % 3
    found = explain(model, image[None], target=other, layer="0")
    assert (found.target, found.predicted) == (other, (other - 1) % 3)
    assert found.probability == pytest.approx(float(model(image[None])[0].softmax(dim=0)[other]))
    torch.testing.assert_close(found.heatmap, grad_cam(model, image[None], target=other, layer="0")[0])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_overlay_without_heat_is_the_image_in_grey(channels):
    pixels = torch.linspace(-2, 6, channels * 6).reshape(channels, 2, 3)
    picture = explanation(pixels, torch.zeros(2, 3)).overlay()
    assert (picture.dtype, picture.shape) == (np.uint8, (2, 3, 3))
    shown = ((pixels + 2) / 8 * 255).mean(dim=0)[..., None].expand(2, 3, 3)
    np.testing.assert_allclose(picture, shown.numpy(), atol=0.5001)


def test_overlay_shows_the_heat():
    heat = torch.tensor([[0.0, 0.5, 1.0]])
    picture = explanation(torch.zeros(3, 1, 3), heat).overlay(opacity=1.0)
    expected = 255 * heat.double().numpy()[0, :, None] * colours(heat.double().numpy()[0])
    np.testing.assert_allclose(picture[0], expected, atol=0.5001)


def test_lightness_of_the_colours_grows():
    shown = colours(np.linspace(0, 1, 64))
    # Rec. 601 luma
    luma = shown @ [0.299, 0.587, 0.114]
    assert np.all(np.diff(luma) > 0)
    assert np.ptp(luma) > 0.6
    assert np.all((shown >= 0) & (shown <= 1))


def test_saved_file_is_the_overlay(model, image, tmp_path):
    found = explain(model, image)
    found.save(tmp_path / "why.png")
    with Image.open(tmp_path / "why.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved), found.overlay())


def test_unknown_format_is_told(model, image, tmp_path):
    with pytest.raises(ConfigError, match=r"cannot write .*why\.picture.* use a name that ends in \.png"):
        explain(model, image).save(tmp_path / "why.picture")


def test_missing_pillow_is_told(model, image, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ConfigError, match=r'images need Pillow.*pip install "visattn\[compare\]"'):
        explain(model, image).save(tmp_path / "why.png")


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (8, 8), (0, 3, 8, 8)])
def test_other_than_one_image_is_told(model, shape):
    with pytest.raises(ShapeError, match="pass one image"):
        explain(model, torch.ones(shape))
