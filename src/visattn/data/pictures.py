"""Reading one image file into square 8-bit pixels, whatever its format."""

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from visattn.core.errors import ConfigError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


class Picture(NamedTuple):
    """One file read: its pixels, or the reason why there are none.

    Attributes:
        pixels: (3, size, size), None if the file is no readable image.
        digest: sha256 of the file's bytes, empty if they cannot be read.
        reason: Why there are no pixels, empty if there are.
    """

    pixels: NDArray[np.uint8] | None
    digest: str = ""
    reason: str = ""


def require_pillow() -> None:
    """Raise `ConfigError` where Pillow is not installed."""
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise ConfigError("images need Pillow, which is missing", hint='pip install "visattn[compare]"') from error


def read_picture(path: Path, size: int) -> Picture:
    """Read an image file as RGB: upright by its EXIF tag, short side `size`, cropped to the central square."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Picture(None, reason=_reason(error))
    digest = hashlib.sha256(content).hexdigest()
    if not content:
        return Picture(None, digest, "the file is empty")
    try:
        return Picture(_decode(content, size), digest)
    except Exception as error:  # noqa: BLE001 - broken bytes make decoders raise anything, struct.error to SyntaxError
        return Picture(None, digest, _reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if type(error).__name__ == "UnidentifiedImageError":
        return "not in an image format that Pillow reads"
    return str(error) or type(error).__name__


def _decode(content: bytes, size: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content)) as image:
        # lets JPEG decode large photographs at a reduced scale; other formats ignore it
        image.draft(None, (2 * size, 2 * size))
        upright = ImageOps.exif_transpose(image)
        square = _square(_rgb(upright), size)
        return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def _rgb(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I"):
        # 16-bit grey: 65535 is white
        grey = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(np.rint(grey / 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed white: save the image with 8 or 16 bits")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _square(image: "Image.Image", size: int) -> "Image.Image":
    from PIL import Image

    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))


def resize_grey(images: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    """Resize grey images (N, H, W) to (N, 1, size, size) as `read_picture` does; None keeps them as they are.

    Raises:
        ConfigError: Pillow is missing.

    >>> resize_grey(np.full((2, 8, 8), 7, np.uint8), 16).shape
    (2, 1, 16, 16)
    """
    if size is None or images.shape[1:] == (size, size):
        return images[:, None]
    require_pillow()
    from PIL import Image

    resized = np.empty((len(images), 1, size, size), np.uint8)
    for target, image in zip(resized, images, strict=True):
        target[0] = np.asarray(_square(Image.fromarray(image), size))
    return resized
