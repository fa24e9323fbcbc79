"""Decoding the images of a folder once, into a file that later runs map into memory."""

import errno
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from visattn.core.errors import DataError
from visattn.data.folders import ImageFile, Listing
from visattn.data.images import ImageData, Skipped, Split, measure, require_coverage
from visattn.data.pictures import Picture, read_picture, require_pillow

Progress = Callable[[int, int], None]

_FORMAT = 1
_SUBMITTED = 256


def decoded(
    listing: Listing, size: int, *, on_bad: str, cache: Path | None, progress: Progress | None, flip: bool
) -> ImageData:
    """Return the images of a listing, from the cache if it has them, else decoded into it.

    The cache holds one file of pixels for each size and state of the folder: names, sizes and times of its images and
    their division. Both its files appear whole or not at all.

    Args:
        listing: The files.
        size: Height and width of the decoded images.
        on_bad: What to do about unreadable images: "fail" or "skip".
        cache: The folder that holds decoded images; None means `~/.cache/visattn`.
        progress: Called with the number of images done and of all images, when there is something to decode.
        flip: See `ImageData`.

    Raises:
        ConfigError: Pillow is missing.
        DataError: Images are unreadable, or the cache cannot be written.
    """
    stem = (cache or Path.home() / ".cache" / "visattn") / _key(listing, size)
    record = _stored(stem, listing, size) or _store(stem, listing, size, on_bad, progress)
    skipped = tuple(Skipped(path, reason) for path, reason in record["skipped"])
    readable = _readable(listing, skipped, on_bad)
    train, val = _splits(readable, stem.with_suffix(".npy"))
    return ImageData(
        name=listing.root.resolve().name,
        classes=listing.classes,
        train=train,
        val=val,
        skipped=skipped,
        duplicates=tuple((a, b) for a, b in record["duplicates"]),
        fingerprint=record["fingerprint"],
        mean=tuple(record["mean"]),
        std=tuple(record["std"]),
        flip=flip,
    )


def _key(listing: Listing, size: int) -> str:
    parts = [[[f.name, f.size, f.modified] for f in part] for part in (listing.train, listing.val)]
    content = json.dumps([_FORMAT, size, str(listing.root.resolve()), parts])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _stored(stem: Path, listing: Listing, size: int) -> dict[str, Any] | None:
    """Return the record of decoded images, None if it is damaged or a skipped image is readable by now."""
    try:
        record: dict[str, Any] = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        shape = np.load(stem.with_suffix(".npy"), mmap_mode="r").shape
    except (OSError, ValueError, EOFError):
        return None
    mended = any(read_picture(listing.root / name, size).pixels is not None for name, _ in record["skipped"])
    return record if shape == (record["images"], 3, size, size) and not mended else None


def _store(stem: Path, listing: Listing, size: int, on_bad: str, progress: Progress | None) -> dict[str, Any]:
    require_pillow()
    another = "choose another folder with cache="
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=stem.parent, prefix=f"{stem.name}-") as part:
            record = _decode(Path(part), listing, size, on_bad, progress)
            # the record goes last, so that there is never a record without its pixels
            for suffix in (".npy", ".json"):
                os.replace(Path(part) / f"images{suffix}", stem.with_suffix(suffix))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            needed = (len(listing.train) + len(listing.val)) * 3 * size**2 / 1e6
            raise DataError(
                f"no space left in {stem.parent} for the decoded images, which need {needed:.1f} MB",
                hint=f"free some space, or {another}",
            ) from error
        raise DataError(f"decoded images cannot be written to {stem.parent}: {error.strerror}", hint=another) from error
    return record


def _decode(folder: Path, listing: Listing, size: int, on_bad: str, progress: Progress | None) -> dict[str, Any]:
    """Write pixels and record into a folder, and return the record."""
    files = listing.train + listing.val
    skipped: list[Skipped] = []
    digests: dict[str, str] = {}
    with (folder / "images.npy").open("wb") as stream:
        _write_header(stream, len(files), size)
        for done, (file, picture) in enumerate(zip(files, _pictures(files, size), strict=True), 1):
            if picture.pixels is None:
                skipped.append(Skipped(file.name, picture.reason))
            else:
                stream.write(picture.pixels.tobytes())
                digests[file.name] = picture.digest
            if progress:
                progress(done, len(files))
        # the header has room for any number of images, so it can be written again in place
        stream.seek(0)
        _write_header(stream, len(digests), size)
    train, val = _splits(_readable(listing, tuple(skipped), on_bad), folder / "images.npy")
    record: dict[str, Any] = {
        "images": len(digests),
        "skipped": [(s.path, s.reason) for s in skipped],
        "duplicates": _duplicates(listing, digests),
        **measure(train, val),
    }
    (folder / "images.json").write_text(json.dumps(record), encoding="utf-8")
    return record


def _write_header(stream: BinaryIO, count: int, size: int) -> None:
    facts = {"descr": "|u1", "fortran_order": False, "shape": (count, 3, size, size)}
    np.lib.format.write_array_header_1_0(stream, facts)


def _pictures(files: tuple[ImageFile, ...], size: int) -> Iterator[Picture]:
    from PIL import Image

    # threads that load the formats at the same time can miss one
    Image.init()
    # what decodes is good; with warnings as errors, odd metadata would make it bad
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")
        for start in range(0, len(files), _SUBMITTED):
            paths = [file.path for file in files[start : start + _SUBMITTED]]
            yield from pool.map(read_picture, paths, repeat(size))


def _readable(listing: Listing, skipped: tuple[Skipped, ...], on_bad: str) -> Listing:
    """Return the listing without the unreadable images, or raise `DataError` if they may not be left out."""
    if not skipped:
        return listing
    if on_bad == "fail":
        lines = [f"\n  {s.path}: {s.reason}" for s in skipped[:10]]
        more = f"\n  and {len(skipped) - 10} more" if len(skipped) > 10 else ""
        raise DataError(
            f"{len(skipped)} of {len(listing.train) + len(listing.val)} images in {listing.root} cannot be read",
            hint=f"mend or remove them, or leave them out with --on-bad skip{''.join(lines)}{more}",
        )
    names = {s.path for s in skipped}
    train, val = (tuple(f for f in part if f.name not in names) for part in (listing.train, listing.val))
    kept = replace(listing, train=train, val=val)
    require_coverage(str(listing.root), listing.classes, kept.labels(train), kept.labels(val))
    return kept


def _splits(listing: Listing, pixels: Path) -> tuple[Split, Split]:
    images = np.load(pixels, mmap_mode="r")
    middle = len(listing.train)
    return Split(images[:middle], listing.labels(listing.train)), Split(images[middle:], listing.labels(listing.val))


def _duplicates(listing: Listing, digests: dict[str, str]) -> list[tuple[str, str]]:
    """Return (training image, validation image) for each validation image whose bytes are also in training."""
    seen: dict[str, str] = {}
    for file in listing.train:
        if file.name in digests:
            seen.setdefault(digests[file.name], file.name)
    pairs = ((seen.get(digests.get(file.name, "")), file.name) for file in listing.val)
    return [(train, val) for train, val in pairs if train is not None]
