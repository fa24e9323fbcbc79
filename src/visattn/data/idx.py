"""Reading a folder in the IDX format of MNIST and Fashion-MNIST (LeCun et al., 1998; Xiao et al., arXiv:1708.07747)."""

import gzip
import hashlib
import math
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visattn.core.errors import DataError
from visattn.data.images import ImageData, Split, measure, require_coverage
from visattn.data.pictures import resize_grey

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# sha256 of the 60,000 training labels, which tells the set whatever its folder is called
_FASHION_LABELS = "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"


def is_idx(names: Iterable[str]) -> bool:
    """Return whether any of these file names is one of the four IDX files, packed or not.

    >>> is_idx(["README.md", "t10k-labels-idx1-ubyte.gz"])
    True
    """
    return any(name.removesuffix(".gz") in _FILES for name in names)


def load_idx(folder: Path, *, size: int | None = None) -> ImageData:
    """Read the four IDX files of a folder: grey images, the t10k files for validation.

    The classes of Fashion-MNIST get their names; those of any other set are called by their numbers.

    Args:
        folder: Where `train-images-idx3-ubyte` and so on lie, each plain or with `.gz`.
        size: Height and width to resize to; None keeps the size of the files.

    Raises:
        DataError: A file is missing, cut off or damaged, or does not fit the others.
    """
    found = [_find(folder, name) for name in _FILES]
    if missing := [name for name, path in zip(_FILES, found, strict=True) if path is None]:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}", hint="put all four IDX files there, with or without .gz"
        )
    arrays = [_read(path, 3 if "images" in path.name else 1) for path in found if path is not None]
    for images, labels, part in ((arrays[0], arrays[1], "train"), (arrays[2], arrays[3], "t10k")):
        if len(images) != len(labels):
            raise DataError(
                f"{folder} has {len(images)} {part} images but {len(labels)} {part} labels",
                hint="take both files from the same download",
            )
    found_labels = np.union1d(arrays[1], arrays[3])
    fashion = _is_fashion(folder, arrays[1]) and found_labels.max() < len(_FASHION)
    classes = tuple(_FASHION[label] if fashion else str(label) for label in found_labels)
    train, val = (
        Split(resize_grey(images, size), np.searchsorted(found_labels, labels).astype(np.int64))
        for images, labels in (arrays[:2], arrays[2:])
    )
    require_coverage(str(folder), classes, train.labels, val.labels)
    name = folder.resolve().name
    return ImageData(name=name, classes=classes, train=train, val=val, flip=fashion, **measure(train, val))


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def _is_fashion(folder: Path, labels: NDArray[np.uint8]) -> bool:
    digest = hashlib.sha256(labels.tobytes()).hexdigest()
    return "fashion" in folder.resolve().name.lower() or digest == _FASHION_LABELS


def _read(path: Path, axes: int) -> NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes: magic number, big-endian sizes, then the bytes."""
    again = "download it again"
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}", hint=again) from error
    magic = bytes((0, 0, 8, axes))
    start = 4 + 4 * axes
    if content[:4] != magic or len(content) < start:
        raise DataError(f"{path} starts with {content[:4].hex()}, expected {magic.hex()} and {axes} sizes", hint=again)
    shape = tuple(np.frombuffer(content, ">u4", axes, offset=4).tolist())
    if len(content) - start != math.prod(shape) or not math.prod(shape):
        raise DataError(
            f"{path} holds {len(content) - start} bytes, expected {math.prod(shape)} for {shape}", hint=again
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
