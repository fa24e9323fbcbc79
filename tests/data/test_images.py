import hashlib

import numpy as np
import pytest

import visattn.data.images
from visattn.core.errors import DataError
from visattn.data.images import Split, measure, require_coverage


def make(count: int = 6, channels: int = 3, seed: int = 0) -> Split:
    rng = np.random.default_rng(seed)
    return Split(rng.integers(0, 256, (count, channels, 5, 4), dtype=np.uint8), np.arange(count))


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (np.zeros((2, 3, 4), np.uint8), np.zeros(2, np.int64), r"uint8 of \(2, 3, 4\), expected uint8"),
        (np.zeros((2, 3, 4, 4)), np.zeros(2, np.int64), "float64"),
        (
            np.zeros((2, 3, 4, 4), np.uint8),
            np.zeros(3, np.int64),
            r"labels of int64 of \(3,\), expected int64 of \(2,\)",
        ),
        (np.zeros((2, 3, 4, 4), np.uint8), np.zeros(2, np.int32), "labels of int32"),
    ],
)
def test_a_split_refuses_other_arrays(images: np.ndarray, labels: np.ndarray, match: str) -> None:
    with pytest.raises(DataError, match=match):
        Split(images, labels)


def test_take_keeps_the_order_asked_for() -> None:
    split = make()
    taken = split.take([4, 1])
    assert taken.labels.tolist() == [4, 1]
    assert np.array_equal(taken.images, split.images[[4, 1]])
    assert len(taken) == 2


def test_mean_and_deviation_are_those_of_the_training_pixels() -> None:
    train = make()
    facts = measure(train, make(2))
    pixels = train.images.astype(np.float64) / 255
    np.testing.assert_allclose(facts["mean"], pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(facts["std"], pixels.std(axis=(0, 2, 3)), rtol=1e-12)


def test_the_deviation_of_bright_pixels_does_not_overflow() -> None:
    images = np.full((2, 1, 2, 2), 255, np.uint8)
    images[0] = 0
    split = Split(images, np.arange(2))
    assert measure(split, split)["mean"] == (0.5,)
    assert measure(split, split)["std"] == (0.5,)


def test_a_constant_channel_has_deviation_one() -> None:
    split = Split(np.full((2, 1, 2, 2), 9, np.uint8), np.arange(2))
    assert measure(split, split)["std"] == (1.0,)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(make(), make(2))
    monkeypatch.setattr(visattn.data.images, "_CHUNK_BYTES", 100)
    assert measure(make(), make(2)) == whole


def test_the_fingerprint_is_sha256_of_shapes_labels_and_pixels() -> None:
    train, val = make(3), make(2, seed=1)
    digest = hashlib.sha256()
    for split in (train, val):
        digest.update(repr(split.images.shape).encode() + split.labels.astype("<i8").tobytes() + split.images.tobytes())
    assert measure(train, val)["fingerprint"] == digest.hexdigest()


def test_the_fingerprint_changes_with_each_part_of_the_data() -> None:
    train, val = make(4), make(2, seed=1)
    pixels, labels = train.images.copy(), train.labels.copy()
    pixels[1, 2, 3, 0] ^= 1
    labels[0] = 1
    reshaped = Split(train.images.reshape(4, 3, 4, 5), train.labels)
    variants = [
        measure(train, val),
        measure(val, train),
        measure(Split(pixels, train.labels), val),
        measure(Split(train.images, labels), val),
        measure(reshaped, val),
    ]
    assert len({facts["fingerprint"] for facts in variants}) == len(variants)


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="birds has one class, 'crow', expected at least two: add images of a second"):
        require_coverage("birds", ("crow",), np.zeros(3, np.int64), np.zeros(3, np.int64))


def test_a_class_in_one_part_only_is_refused() -> None:
    both, some = np.array([0, 1, 2]), np.array([0])
    require_coverage("birds", ("crow", "owl", "tit"), both, both)
    with pytest.raises(
        DataError, match="birds has no image in val of classes 'owl', 'tit': every class needs a readable"
    ):
        require_coverage("birds", ("crow", "owl", "tit"), both, some)
    with pytest.raises(DataError, match="birds has no image in train of class 'tit'"):
        require_coverage("birds", ("crow", "owl", "tit"), both[:2], both)


def test_many_lacking_classes_are_shortened() -> None:
    names = tuple(f"c{i:02}" for i in range(14))
    with pytest.raises(DataError, match="'c10' and 3 more"):
        require_coverage("birds", names, np.arange(14), np.array([0]))
