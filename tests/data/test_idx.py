import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import visattn.data.idx
from visattn.core.errors import DataError
from visattn.data.idx import is_idx, load_idx

RNG = np.random.default_rng(0)
ARRAYS = {
    "train-images-idx3-ubyte": RNG.integers(0, 256, (12, 6, 5), dtype=np.uint8),
    "train-labels-idx1-ubyte": np.arange(12, dtype=np.uint8) % 4,
    "t10k-images-idx3-ubyte": RNG.integers(0, 256, (4, 6, 5), dtype=np.uint8),
    "t10k-labels-idx1-ubyte": np.arange(4, dtype=np.uint8),
}


def packed(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def files(folder: str = "digits", *, zipped: bool = False, **changes: bytes) -> Path:
        root = tmp_path / folder
        root.mkdir()
        for name, array in ARRAYS.items():
            content = changes.get(name.split("-idx")[0].replace("-", "_"), packed(array))
            path = root / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)
        return root

    return files


@pytest.mark.parametrize("zipped", [False, True])
def test_images_and_labels_are_those_of_the_files(write: Callable[..., Path], zipped: bool) -> None:
    data = load_idx(write(zipped=zipped))
    assert np.array_equal(data.train.images[:, 0], ARRAYS["train-images-idx3-ubyte"])
    assert np.array_equal(data.val.images[:, 0], ARRAYS["t10k-images-idx3-ubyte"])
    assert data.train.labels.tolist() == ARRAYS["train-labels-idx1-ubyte"].tolist()
    assert (data.name, data.classes, data.flip) == ("digits", ("0", "1", "2", "3"), False)


def test_a_size_resizes(write: Callable[..., Path]) -> None:
    assert load_idx(write(), size=9).train.images.shape == (12, 1, 9, 9)


def test_fashion_is_known_by_the_name_of_its_folder(write: Callable[..., Path]) -> None:
    data = load_idx(write("my-Fashion-set"))
    assert data.classes == ("T-shirt/top", "Trouser", "Pullover", "Dress")
    assert data.flip


def test_fashion_is_known_by_its_labels(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(ARRAYS["train-labels-idx1-ubyte"].tobytes()).hexdigest()
    monkeypatch.setattr(visattn.data.idx, "_FASHION_LABELS", digest)
    assert load_idx(write("any")).classes[0] == "T-shirt/top"


def test_a_set_with_more_classes_is_not_fashion(write: Callable[..., Path]) -> None:
    labels = {
        "train_labels": packed(ARRAYS["train-labels-idx1-ubyte"] + 8),
        "t10k_labels": packed(ARRAYS["t10k-labels-idx1-ubyte"] + 8),
    }
    data = load_idx(write("fashion", **labels))
    assert data.classes == ("8", "9", "10", "11")
    assert data.train.labels.tolist() == ARRAYS["train-labels-idx1-ubyte"].tolist()


def test_which_names_are_idx_files() -> None:
    assert is_idx(["train-images-idx3-ubyte"])
    assert not is_idx(["cat", "dog", "train"])


@pytest.mark.parametrize("zipped", [False, True])
def test_a_missing_file_is_named(write: Callable[..., Path], zipped: bool) -> None:
    root = write(zipped=zipped)
    next(root.glob("t10k-labels*")).unlink()
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte: put all four"):
        load_idx(root)


TRAIN = packed(ARRAYS["train-images-idx3-ubyte"])


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "starts with , expected 00000803"),
        (b"<html>", "starts with 3c68746d, expected 00000803 and 3 sizes"),
        (TRAIN[:10], "starts with 00000803, expected 00000803 and 3 sizes"),
        (packed(ARRAYS["train-labels-idx1-ubyte"]), "starts with 00000801, expected 00000803"),
        (TRAIN[:-1], r"holds 359 bytes, expected 360 for \(12, 6, 5\): download it again"),
        (TRAIN + b"x", "holds 361 bytes, expected 360"),
        (packed(np.zeros((0, 6, 5), np.uint8)), "holds 0 bytes, expected 0"),
    ],
)
def test_a_damaged_file_is_named(write: Callable[..., Path], content: bytes, match: str) -> None:
    with pytest.raises(DataError, match=f"train-images-idx3-ubyte {match}"):
        load_idx(write(train_images=content))


@pytest.mark.parametrize("change", ["cut", "flipped", "not gzip"])
def test_a_damaged_archive_is_named(write: Callable[..., Path], change: str) -> None:
    root = write(zipped=True)
    path = root / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes({"cut": path.read_bytes()[:-20], "flipped": bytes(content), "not gzip": TRAIN}[change])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be read: .*: download it again"):
        load_idx(root)


def test_a_file_that_may_not_be_read_is_named(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = write()

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match="train-images-idx3-ubyte cannot be read: .*Permission denied"):
        load_idx(root)


def test_images_without_labels_are_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="has 12 train images but 4 train labels: take both"):
        load_idx(write(train_labels=packed(ARRAYS["t10k-labels-idx1-ubyte"])))


def test_a_class_in_one_part_only_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="has no image in val of class '3'"):
        load_idx(write(t10k_labels=packed(np.array([0, 1, 2, 2], np.uint8))))


def test_fashion_mnist(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "unnamed").symlink_to(shared_data / "fashion-mnist")
    data = load_idx(shared_data / "fashion-mnist")
    assert data.train.images.shape == (60_000, 1, 28, 28)
    assert data.val.images.shape == (10_000, 1, 28, 28)
    assert np.bincount(data.train.labels).tolist() == [6000] * 10
    assert data.classes[5] == "Sandal"
    assert data.train.labels[:5].tolist() == [9, 0, 0, 3, 0]
    # the mean and deviation that users of this set know
    assert (round(data.mean[0], 4), round(data.std[0], 4)) == (0.2860, 0.3530)
    labels = data.train.labels.astype(np.uint8).tobytes()
    assert hashlib.sha256(labels).hexdigest() == visattn.data.idx._FASHION_LABELS
