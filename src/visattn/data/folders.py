"""Finding the images of a folder that has one sub-folder for each class."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visattn.core.errors import DataError
from visattn.data.images import require_coverage
from visattn.data.pictures import SUFFIXES
from visattn.data.splits import stratified

VAL_NAMES = ("val", "valid", "validation", "test")
_LAYOUT = (
    "each class needs a folder of its own: FOLDER/CLASS/*.jpg, or FOLDER/train/CLASS/*.jpg and FOLDER/val/CLASS/*.jpg"
)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image file.

    Attributes:
        path: Where it is.
        name: The path within the source, with slashes.
        category: Its class.
        size: In bytes, -1 if it cannot be told.
        modified: In nanoseconds, -1 if it cannot be told.
    """

    path: Path
    name: str
    category: str
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The image files of both parts, not opened yet."""

    root: Path
    classes: tuple[str, ...]
    train: tuple[ImageFile, ...]
    val: tuple[ImageFile, ...]

    def labels(self, files: tuple[ImageFile, ...]) -> NDArray[np.int64]:
        """Return the class index of each file."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([index[f.category] for f in files], np.int64)


def list_images(root: Path, *, val_fraction: float, split_seed: int) -> Listing:
    """Find the images of a folder and say which are for training and which for validation.

    A folder with `train/` and `val/` (or `valid/`, `validation/`, `test/`, the first that is there) is taken as it is
    divided. Otherwise its sub-folders are the classes, and each is divided by `stratified`. Classes are searched to
    any depth; hidden entries, other files and sub-folders without images do not count.

    Raises:
        DataError: The folder cannot be read, or what it holds cannot be learnt from.
    """
    folders = _subfolders(root)
    by_name = {name.lower(): path for name, path in folders.items()}
    val = next((by_name[name] for name in VAL_NAMES if name in by_name), None)
    if "train" in by_name and val is not None:
        return _divided(root, by_name["train"], val)
    if val is not None and set(by_name) <= set(VAL_NAMES):
        raise DataError(f"{root} has {val.name}/ but no train/", hint="rename the folder of training images to train")
    files = _by_class(root, by_name["train"] if set(by_name) == {"train"} else root)
    flat = [file for category in files.values() for file in category]
    whole = Listing(root, tuple(files), tuple(flat), ())
    labels = whole.labels(whole.train)
    require_coverage(str(root), whole.classes, labels, labels)
    train, held_out = stratified(labels, whole.classes, val_fraction, split_seed)
    return Listing(root, whole.classes, tuple(flat[i] for i in train), tuple(flat[i] for i in held_out))


def _divided(root: Path, train: Path, val: Path) -> Listing:
    parts = _by_class(root, train), _by_class(root, val)
    classes = tuple(sorted(parts[0].keys() | parts[1].keys()))
    files = [tuple(file for name in classes for file in part.get(name, ())) for part in parts]
    listing = Listing(root, classes, *files)
    require_coverage(str(root), classes, listing.labels(listing.train), listing.labels(listing.val))
    return listing


def _by_class(root: Path, folder: Path) -> Mapping[str, list[ImageFile]]:
    found = {name: list(_images(root, path, name, ())) for name, path in _subfolders(folder).items()}
    classes = {name: files for name, files in found.items() if files}
    if not classes:
        loose = any(_is_image(entry) for entry in entries(folder))
        problem = "holds images but no class folders" if loose else "holds no images"
        raise DataError(f"{folder} {problem}", hint=_LAYOUT)
    return classes


def _subfolders(folder: Path) -> dict[str, Path]:
    found = entries(folder)
    if not found:
        raise DataError(f"{folder} is empty", hint=_LAYOUT)
    return {entry.name: Path(entry.path) for entry in found if _is_folder(entry)}


def _images(root: Path, folder: Path, category: str, above: tuple[str, ...]) -> Iterator[ImageFile]:
    real = os.path.realpath(folder)
    # a link to a folder that is being searched would never end
    if real in above:
        return
    for entry in entries(folder):
        path = Path(entry.path)
        if _is_folder(entry):
            yield from _images(root, path, category, (*above, real))
        elif _is_image(entry):
            try:
                facts = entry.stat()
                size, modified = facts.st_size, facts.st_mtime_ns
            except OSError:
                # a broken link is named later, with the unreadable images
                size = modified = -1
            yield ImageFile(path, path.relative_to(root).as_posix(), category, size, modified)


def _is_image(entry: "os.DirEntry[str]") -> bool:
    return Path(entry.name).suffix.lower() in SUFFIXES


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        raise DataError(f"{entry.path} cannot be read: {error.strerror}", hint="mend or remove it") from error


def entries(folder: Path) -> "list[os.DirEntry[str]]":
    """Return what a folder holds, sorted by name, without hidden entries.

    Raises:
        DataError: There is no such folder, it is no folder, or it may not be read.
    """
    try:
        with os.scandir(folder) as found:
            return sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
    except FileNotFoundError as error:
        raise DataError(f"there is no folder {folder}", hint="check the spelling of the path") from error
    except NotADirectoryError as error:
        hint = "unpack it if it is an archive, and give the folder"
        raise DataError(f"{folder} is a file, expected a folder", hint=hint) from error
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}", hint="mend its permissions") from error
