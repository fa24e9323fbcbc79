import numpy as np
import pytest
import torch
from torch import nn

import visattn.data.scenes
from visattn.core.errors import ConfigError
from visattn.data.batches import Batches, evaluation
from visattn.data.images import Split, measure
from visattn.data.outlines import OUTLINES
from visattn.data.scenes import ShapeScenes, shapes


@pytest.fixture(scope="module")
def scenes() -> ShapeScenes:
    return shapes(96, size=64, classes=8)


def test_shapes_and_types(scenes: ShapeScenes) -> None:
    assert (scenes.images.shape, scenes.images.dtype) == ((96, 3, 64, 64), np.uint8)
    assert (scenes.masks.shape, scenes.masks.dtype) == ((96, 64, 64), np.uint8)
    assert (scenes.boxes.shape, scenes.boxes.dtype) == ((96, 4), np.int64)
    assert scenes.labels.dtype == np.int64
    assert np.bincount(scenes.labels).tolist() == [12] * 8
    assert np.unique(scenes.masks).tolist() == [0, 1]


def test_the_same_seed_draws_the_same_and_another_another(scenes: ShapeScenes) -> None:
    assert np.array_equal(shapes(96, size=64, classes=8).images, scenes.images)
    assert not np.array_equal(shapes(96, size=64, classes=8, seed=1).images, scenes.images)


def test_an_image_does_not_depend_on_the_others(scenes: ShapeScenes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visattn.data.scenes, "_CHUNK_PIXELS", 5 * 64**2)
    few = shapes(13, size=64, classes=8)
    assert np.array_equal(few.images, scenes.images[:13])
    assert np.array_equal(few.masks, scenes.masks[:13])
    # the first three scenes show the same kinds whether there are three classes or eight
    assert np.array_equal(shapes(3, size=64, classes=3).images, scenes.images[:3])


def test_boxes_are_tight(scenes: ShapeScenes) -> None:
    for (x1, y1, x2, y2), mask in zip(scenes.boxes, scenes.masks, strict=True):
        inside = mask[y1:y2, x1:x2]
        assert inside.sum() == mask.sum() > 0
        assert all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


def test_figures_lie_inside_the_image(scenes: ShapeScenes) -> None:
    box = scenes.boxes
    width, height = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    assert np.maximum(width, height).min() >= 0.24 * 64
    areas = scenes.masks.sum(axis=(1, 2))
    discs = scenes.labels == 0
    # the discs are whole: their boxes are squares and π/4 full
    assert np.abs(width - height)[discs].max() <= 1
    assert np.abs(areas / (width * height) - np.pi / 4)[discs].max() < 0.05


def test_a_size_is_only_a_resolution(scenes: ShapeScenes) -> None:
    large = shapes(96, size=128, classes=8)
    halved = large.images.reshape(96, 3, 64, 2, 64, 2).mean(axis=(3, 5))
    assert np.abs(halved - scenes.images).mean() < 4
    masks = large.masks.reshape(96, 64, 2, 64, 2).mean(axis=(2, 4)) >= 0.5
    assert (masks & (scenes.masks == 1)).sum() / (masks | (scenes.masks == 1)).sum() > 0.97


def test_figures_stand_out_from_their_surroundings(scenes: ShapeScenes) -> None:
    inside = scenes.masks[:, None].astype(bool)
    images = scenes.images.astype(np.float64)
    figure = np.where(inside, images, np.nan)
    around = np.where(inside, np.nan, images)
    distance = np.abs(np.nanmean(figure, axis=(2, 3)) - np.nanmean(around, axis=(2, 3))).max(axis=1)
    assert distance.min() > 10


def test_colours_and_places_say_nothing_about_the_class() -> None:
    scenes = shapes(1200, size=16)
    features = np.concatenate([scenes.images.mean(axis=(2, 3)), scenes.boxes[:, :2] + scenes.boxes[:, 2:]], axis=1)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    centres = np.stack([features[:600][scenes.labels[:600] == c].mean(axis=0) for c in range(6)])
    nearest = np.linalg.norm(features[600:, None] - centres, axis=2).argmin(axis=1)
    # chance is 1/6, with a standard error of 0.015
    assert np.mean(nearest == scenes.labels[600:]) < 1 / 6 + 4 * 0.0153


@pytest.mark.parametrize("size", [16, 17, 50])
def test_any_size(size: int) -> None:
    assert shapes(3, size=size, classes=3).images.shape == (3, 3, size, size)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"count": 0}, "count=0, expected at least 1"),
        ({"count": 4, "size": 15}, "size=15, expected at least 16"),
        ({"count": 4, "classes": 1}, "classes=1, expected at least 2"),
        ({"count": 4, "classes": len(OUTLINES) + 1}, "classes=9, expected at most 8"),
        ({"count": 4, "seed": -1}, "seed=-1, expected at least 0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, int], match: str) -> None:
    with pytest.raises(ConfigError, match=f"shapes got {match}"):
        shapes(**options)


@pytest.mark.slow
def test_a_small_network_learns_something_but_not_everything() -> None:
    scenes = shapes(1500, size=32)
    val, train = (Split(scenes.images[s], scenes.labels[s]) for s in (slice(300), slice(300, None)))
    facts = measure(train, val)
    torch.manual_seed(0)
    model = nn.Sequential()
    for channels, width in ((3, 16), (16, 32), (32, 64)):
        model.extend([nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)])
    model.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 6)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    batches = Batches(train, facts["mean"], facts["std"], 64, seed=0, flip=True)
    for epoch in range(12):
        for images, labels in batches.epoch(epoch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        found = [model(images).argmax(dim=1) for images, _ in evaluation(val, facts["mean"], facts["std"], 100)]
    accuracy = np.mean(torch.cat(found).numpy() == val.labels)
    # chance is 1/6
    assert 2 / 6 < accuracy < 0.9
