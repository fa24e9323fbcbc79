from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from visattn.core.errors import ConfigError
from visattn.data.batches import Batches, evaluation
from visattn.data.images import Split

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.fixture
def split() -> Split:
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 256, (10, 3, 6, 7), dtype=np.uint8), np.arange(10))


def plain(split: Split) -> np.ndarray:
    mean, std = (np.reshape(v, (3, 1, 1)) for v in (MEAN, STD))
    return (split.images / 255 - mean) / std


def gathered(batches: Iterator[tuple[Tensor, Tensor]]) -> dict[int, Tensor]:
    return {int(label): image for images, labels in batches for image, label in zip(images, labels, strict=True)}


def same(first: dict[int, Tensor], second: dict[int, Tensor]) -> bool:
    return all(torch.equal(first[label], second[label]) for label in first.keys() | second.keys())


def test_images_are_normalised(split: Split) -> None:
    images = gathered(Batches(split, MEAN, STD, 5, seed=0).epoch(0))
    for label, expected in enumerate(plain(split)):
        np.testing.assert_allclose(images[label], expected, atol=1e-6)


def test_types_and_sizes(split: Split) -> None:
    images, labels = next(Batches(split, MEAN, STD, 4, seed=0, flip=True, crop_padding=2).epoch(0))
    assert (images.dtype, images.shape, images.is_contiguous()) == (torch.float32, (4, 3, 6, 7), True)
    assert (labels.dtype, labels.shape) == (torch.int64, (4,))


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "sizes"),
    [(4, True, [4, 4]), (4, False, [4, 4, 2]), (5, True, [5, 5]), (10, False, [10])],
)
def test_the_last_batch(split: Split, batch_size: int, drop_last: bool, sizes: list[int]) -> None:
    batches = Batches(split, MEAN, STD, batch_size, seed=0, drop_last=drop_last)
    assert [len(labels) for _, labels in batches.epoch(0)] == sizes
    assert len(batches) == len(sizes)


def test_an_epoch_has_each_image_once(split: Split) -> None:
    batches = Batches(split, MEAN, STD, 3, seed=0, drop_last=False)
    orders = [[int(x) for _, labels in batches.epoch(e) for x in labels] for e in range(3)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len(set(map(tuple, orders))) == 3


def augmented(split: Split, seed: int = 0, batch_size: int = 5, **options: object) -> Batches:
    return Batches(split, MEAN, STD, batch_size, seed=seed, **{"flip": True, "crop_padding": 2, **options})


def test_seed_and_epoch_decide_everything(split: Split) -> None:
    first, again, other = augmented(split), augmented(split), augmented(split, seed=1)
    list(again.epoch(0))
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the global state must not matter
    for (a, x), (b, y) in zip(first.epoch(1), again.epoch(1), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(x, y)
    assert not same(gathered(first.epoch(0)), gathered(first.epoch(1)))
    assert not same(gathered(first.epoch(0)), gathered(other.epoch(0)))


def test_global_random_state_is_left_alone(split: Split) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(augmented(split).epoch(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_augmentation_does_not_depend_on_the_batch_size(split: Split) -> None:
    assert same(gathered(augmented(split, batch_size=2).epoch(0)), gathered(augmented(split, batch_size=10).epoch(0)))


def test_the_order_does_not_depend_on_the_augmentation(split: Split) -> None:
    orders = [
        [labels.tolist() for _, labels in augmented(split, **options).epoch(3)]
        for options in ({}, {"flip": False}, {"crop_padding": 0}, {"flip": False, "crop_padding": 0})
    ]
    assert orders.count(orders[0]) == 4


def test_half_of_the_images_are_mirrored() -> None:
    images = np.zeros((2000, 1, 1, 2), np.uint8)
    images[:, :, :, 1] = 255
    split = Split(images, np.arange(2000))
    found = gathered(Batches(split, (0.0,), (1.0,), 100, seed=0, flip=True).epoch(0))
    mirrored = sum(float(image[0, 0, 0]) for image in found.values())
    # four standard errors
    assert abs(mirrored - 1000) < 4 * np.sqrt(500)
    assert all(image.sum() == 1 for image in found.values())


def test_without_augmentation_nothing_moves(split: Split) -> None:
    assert same(gathered(Batches(split, MEAN, STD, 5, seed=0).epoch(0)), gathered(evaluation(split, MEAN, STD, 5)))


def test_crops_are_windows_of_the_reflected_image() -> None:
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (400, 2, 5, 4), dtype=np.uint8), np.arange(400))
    around = np.pad(split.images, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect").astype(np.float32) / 255
    seen = set()
    for label, image in gathered(Batches(split, (0, 0), (1, 1), 50, seed=0, crop_padding=2).epoch(0)).items():
        offsets = [
            (dy, dx)
            for dy in range(5)
            for dx in range(5)
            if np.allclose(around[label, :, dy : dy + 5, dx : dx + 4], image, atol=1e-6)
        ]
        assert offsets
        seen.update(offsets)
    assert len(seen) == 25


def test_evaluation_keeps_order_and_the_last_part(split: Split) -> None:
    batches = list(evaluation(split, MEAN, STD, 4))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(10))
    np.testing.assert_allclose(torch.cat([images for images, _ in batches]), plain(split), atol=1e-6)


def test_read_only_images_are_no_trouble(split: Split) -> None:
    split.images.flags.writeable = False
    split.labels.flags.writeable = False
    before = split.images.copy()
    list(augmented(split).epoch(0))
    for images, labels in evaluation(split, MEAN, STD, 10):
        images.zero_()
        labels.zero_()
    assert np.array_equal(split.images, before)
    assert split.labels.tolist() == list(range(10))


def test_the_device_is_where_the_tensors_go(split: Split) -> None:
    images, labels = next(Batches(split, MEAN, STD, 4, seed=0, device="meta").epoch(0))
    assert images.device.type == labels.device.type == "meta"
    images, labels = next(evaluation(split, MEAN, STD, 4, device=torch.device("meta")))
    assert images.device.type == labels.device.type == "meta"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"seed": -1}, "got seed=-1, expected 0 or above"),
        ({"crop_padding": 6}, "got crop_padding=6, expected 0 to 5 for images of 6 pixels"),
        ({"crop_padding": -1}, "got crop_padding=-1"),
        ({"batch_size": 11}, "got batch_size=11 for 10 images, so that no batch is full: use 10 or less"),
        ({"batch_size": 0}, "got batch_size=0, expected at least 1"),
        ({"mean": (0.5,)}, "got 1 means and 3 deviations, expected 3, one for each channel"),
        ({"std": (0.5, 0, 0.5)}, r"got std=\(0\.5, 0, 0\.5\), expected positive numbers"),
    ],
)
def test_what_does_not_fit_is_refused(split: Split, options: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Batches(**{"split": split, "mean": MEAN, "std": STD, "batch_size": 4, "seed": 0, **options})


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"std": (1.0,)}])
def test_evaluation_refuses_the_same(split: Split, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        next(evaluation(**{"split": split, "mean": MEAN, "std": STD, "batch_size": 4, **options}))
