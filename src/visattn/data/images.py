"""What a set of labelled images is, and the facts that its pixels decide."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from visattn.core.errors import DataError

_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The images of one part of a set, with their labels.

    Attributes:
        images: (N, C, H, W) uint8; a read-only `np.memmap` where the images live in a cache file.
        labels: (N,) int64.

    Raises:
        DataError: The arrays have other shapes or types.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            got = f"{self.images.dtype} of {self.images.shape}"
            raise DataError(f"got images of {got}, expected uint8 of (N, C, H, W)")
        if self.labels.shape != (len(self.images),) or self.labels.dtype != np.int64:
            got = f"{self.labels.dtype} of {self.labels.shape}"
            raise DataError(f"got labels of {got}, expected int64 of ({len(self.images)},), one for each image")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> "Split":
        """Return the images at `indices`, in that order, in memory."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True, slots=True)
class Skipped:
    """An image that was left out: its path within the source, and why."""

    path: str
    reason: str


class Facts(TypedDict):
    """What `measure` finds."""

    fingerprint: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ImageData:
    """A set of labelled images, ready for training.

    Attributes:
        name: What a reader calls it: the embedded set, or the folder's name.
        classes: Class names; label `i` means `classes[i]`.
        train: What is learnt from.
        val: What is measured on.
        skipped: Images that could not be read and were left out.
        duplicates: (path in train, path in val) of files with the same bytes.
        fingerprint: sha256 over shapes, labels and pixels of both parts.
        mean: Per channel over the training images, in 0-1.
        std: Per channel over the training images, in 0-1; 1 for a constant channel.
        flip: A mirrored image still shows its class.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    val: Split
    fingerprint: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    skipped: tuple[Skipped, ...] = ()
    duplicates: tuple[tuple[str, str], ...] = ()


def measure(train: Split, val: Split) -> Facts:
    """Return the fingerprint of both parts, and mean and standard deviation per channel of the training images.

    >>> split = Split(np.full((2, 1, 4, 4), 51, np.uint8), np.zeros(2, np.int64))
    >>> measure(split, split)["mean"]
    (0.2,)
    """
    digest = hashlib.sha256()
    for split in (train, val):
        digest.update(repr(split.images.shape).encode())
        digest.update(split.labels.astype("<i8").tobytes())
        for chunk in _chunks(split.images):
            digest.update(chunk.tobytes())
    mean, std = _mean_std(train.images)
    return Facts(fingerprint=digest.hexdigest(), mean=mean, std=std)


def _mean_std(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    # whole numbers, so that neither the order nor the chunk size rounds anything
    total = np.zeros(images.shape[1], np.int64)
    squares = np.zeros(images.shape[1], np.int64)
    for chunk in _chunks(images):
        pixels = chunk.astype(np.uint16)
        total += pixels.sum(axis=(0, 2, 3), dtype=np.int64)
        squares += (pixels * pixels).sum(axis=(0, 2, 3), dtype=np.int64)
    count = images.size // images.shape[1]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0)) / 255
    return tuple((mean / 255).tolist()), tuple(np.where(std > 0, std, 1.0).tolist())


def _chunks(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    step = max(1, _CHUNK_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), step):
        yield images[start : start + step]


def require_coverage(name: str, classes: tuple[str, ...], train: NDArray[np.int64], val: NDArray[np.int64]) -> None:
    """Raise `DataError` unless there are two classes or more, each of them with a label in both parts."""
    if len(classes) < 2:
        raise DataError(
            f"{name} has one class, {classes[0]!r}, expected at least two", hint="add images of a second class"
        )
    for part, labels in (("train", train), ("val", val)):
        counts = np.bincount(labels, minlength=len(classes))
        if lacking := [name for name, count in zip(classes, counts, strict=True) if not count]:
            listed = ", ".join(map(repr, lacking[:10])) + (f" and {len(lacking) - 10} more" if lacking[10:] else "")
            raise DataError(
                f"{name} has no image in {part} of {'class' if len(lacking) == 1 else 'classes'} {listed}",
                hint="every class needs a readable image in train and one in val: add images, or remove the class",
            )
