"""Reading a source of labelled images by name or by path."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from visattn.core.checks import require_choice
from visattn.core.errors import ConfigError
from visattn.core.names import nearest, unknown_name
from visattn.data.cache import decoded
from visattn.data.digits import load_digits
from visattn.data.folders import entries, list_images
from visattn.data.idx import is_idx, load_idx
from visattn.data.images import ImageData, Split, measure
from visattn.data.outlines import OUTLINES
from visattn.data.scenes import shapes

EMBEDDED = ("digits", "shapes")
_SHAPES = {"train": 2000, "val": 500, "size": 64, "classes": 6, "seed": 0}


def load(
    source: str | Path = "digits",
    *,
    size: int | None = None,
    val_fraction: float | None = None,
    split_seed: int = 0,
    on_bad: str = "fail",
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    flip: bool | None = None,
) -> ImageData:
    """Read labelled images for training and validation.

    Sources:

    - `"digits"`: 1797 real handwritten digits, from scikit-learn.
    - `"shapes"`, `"shapes:train=2000,val=500,size=64,classes=6,seed=0"`: drawn scenes, see `visattn.data.shapes`. More
      training scenes leave the others as they are.
    - A folder of image files, one sub-folder for each class, or such folders within `train/` and `val/` (or `valid/`,
      `validation/`, `test/`). Images become RGB, upright by EXIF, cropped to the central square; transparent parts
      become white. They are decoded once, into a cache.
    - A folder with the four IDX files of MNIST or Fashion-MNIST.

    Args:
        source: A name or a path; a folder called like a name needs `./` before it.
        size: Height and width of the images. None: 16 for digits, 64 for shapes and folders, that of the file for IDX.
        val_fraction: Part of each class to hold out where the source is not divided. None: 0.3 for digits, 0.2 for
            folders.
        split_seed: Chooses which images are held out.
        on_bad: "fail" names all unreadable images and stops; "skip" leaves them out and lists them in `skipped`.
        cache: Folder for decoded images; None: `~/.cache/visattn`.
        progress: Called with (images decoded, all images).
        flip: A mirrored image still shows its class. None: not for digits and IDX digits, else yes.

    Raises:
        UnknownNameError: The source is neither a name nor a path.
        ConfigError: An option has no meaning, or a package is missing.
        DataError: The data cannot be read or cannot be learnt from.

    >>> data = load("shapes:train=12,val=6,size=16,classes=3")
    >>> data.classes, data.train.images.shape
    (('disc', 'square', 'triangle'), (12, 3, 16, 16))
    """
    require_choice("load", ("fail", "skip"), on_bad=on_bad)
    if size is not None and size < 1:
        raise ConfigError(f"load got size={size}, expected at least 1")
    name, _, options = str(source).partition(":")
    if source == "digits":
        data = load_digits(
            size or 16, val_fraction=0.3 if val_fraction is None else val_fraction, split_seed=split_seed
        )
    elif isinstance(source, str) and name == "shapes":
        data = _load_shapes(options, size)
    else:
        path = _path(source)
        if is_idx(entry.name for entry in entries(path)):
            data = load_idx(path, size=size)
        else:
            fraction = 0.2 if val_fraction is None else val_fraction
            listing = list_images(path, val_fraction=fraction, split_seed=split_seed)
            folder = Path(cache).expanduser() if cache else None
            data = decoded(listing, size or 64, on_bad=on_bad, cache=folder, progress=progress, flip=True)
    return data if flip is None else replace(data, flip=flip)


def _path(source: str | Path) -> Path:
    path = Path(source).expanduser()
    looks_like_a_path = isinstance(source, Path) or "/" in source or os.sep in source
    if not looks_like_a_path and not (source and os.path.lexists(path)):
        raise unknown_name("data source", str(source), EMBEDDED, see="visattn.data.load, or give the path of a folder")
    return path


def _load_shapes(text: str, size: int | None) -> ImageData:
    options = _parse(text)
    if size is not None and options.get("size", size) != size:
        raise ConfigError(f"got size={size} and shapes:size={options['size']}", hint="give the size once")
    options = {**_SHAPES, **({} if size is None else {"size": size}), **options}
    for part in ("train", "val"):
        if options[part] < options["classes"]:
            raise ConfigError(
                f"got {part}={options[part]}, expected one scene or more of each of {options['classes']} classes"
            )
    val = options["val"]
    scenes = shapes(val + options["train"], options["size"], options["classes"], options["seed"])
    whole = Split(scenes.images, scenes.labels)
    train, held_out = Split(whole.images[val:], whole.labels[val:]), Split(whole.images[:val], whole.labels[:val])
    classes = tuple(OUTLINES)[: options["classes"]]
    return ImageData(name="shapes", classes=classes, train=train, val=held_out, flip=True, **measure(train, held_out))


def _parse(text: str) -> dict[str, int]:
    """Read "train=20,val=10".

    >>> _parse("train=20,val=10")
    {'train': 20, 'val': 10}
    """
    options: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in _SHAPES:
            close = nearest(name, _SHAPES, count=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(_SHAPES)}"
            raise ConfigError(f"shapes has no option {name!r}", hint=hint)
        if name in options:
            raise ConfigError(f"shapes got {name} twice", hint="give it once")
        if not value.removeprefix("-").isdecimal():
            raise ConfigError(
                f"shapes got {name}={value!r}, expected a whole number", hint=f"such as {name}={_SHAPES[name]}"
            )
        options[name] = int(value)
    return options
