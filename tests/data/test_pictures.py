import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visattn.core.errors import ConfigError
from visattn.data.pictures import read_picture, require_pillow, resize_grey


def read(path: Path, size: int = 8) -> np.ndarray:
    picture = read_picture(path, size)
    assert picture.pixels is not None, picture.reason
    assert picture.pixels.shape == (3, size, size)
    assert picture.pixels.dtype == np.uint8
    return picture.pixels


def test_the_central_square_is_kept(tmp_path: Path) -> None:
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = (10, 20, 30)
    for name, image in (("wide", pixels), ("tall", pixels.transpose(1, 0, 2))):
        Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / f"{name}.png")
        found = read(tmp_path / f"{name}.png", 10)
        assert [np.unique(channel).tolist() for channel in found] == [[10], [20], [30]]


def test_the_size_of_the_file_changes_no_pixel(tmp_path: Path, picture: Callable[..., Path]) -> None:
    path = picture(tmp_path / "a.png", size=(8, 8))
    assert np.array_equal(read(path), np.asarray(Image.open(path)).transpose(2, 0, 1))


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 16))
    image.paste((255, 255, 255), (0, 0, 8, 16))
    exif = image.getexif()
    # stored lying on its left side: the left half belongs on top
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    pixels = read(tmp_path / "a.jpg")
    assert pixels[:, :3].min() > 240
    assert pixels[:, 5:].max() < 15


def test_a_large_photograph_is_averaged(tmp_path: Path) -> None:
    checks = np.indices((1024, 1024)).sum(axis=0) % 2 * 255
    Image.fromarray(checks.astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read(tmp_path / "a.jpg").astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("1", 1, "png", (255, 255, 255)),
        ("L", 77, "png", (77, 77, 77)),
        ("RGB", (1, 2, 3), "bmp", (1, 2, 3)),
        ("CMYK", (0, 255, 255, 0), "tif", (255, 0, 0)),
        ("I;16", 257 * 90, "png", (90, 90, 90)),
        ("I;16", 257 * 90, "tif", (90, 90, 90)),
        ("I", 257 * 90, "pgm", (90, 90, 90)),
        ("RGBA", (10, 20, 30, 255), "png", (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), "png", (255, 255, 255)),
        ("RGBA", (0, 0, 0, 51), "png", (204, 204, 204)),
        ("LA", (100, 0), "png", (255, 255, 255)),
        ("LA", (100, 255), "png", (100, 100, 100)),
    ],
)
def test_every_mode_becomes_rgb(
    tmp_path: Path, mode: str, colour: object, suffix: str, expected: tuple[int, int, int]
) -> None:
    Image.new(mode, (9, 9), colour).save(tmp_path / f"a.{suffix}")
    assert [np.unique(channel).tolist() for channel in read(tmp_path / f"a.{suffix}")] == [[v] for v in expected]


@pytest.mark.parametrize(("transparency", "expected"), [(None, (5, 6, 7)), (0, (255, 255, 255)), (b"\0", (255,) * 3)])
def test_a_palette_becomes_rgb(tmp_path: Path, transparency: object, expected: tuple[int, int, int]) -> None:
    image = Image.new("P", (9, 9), 0)
    image.putpalette([5, 6, 7, 200, 0, 0])
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "a.png", **options)
    assert [np.unique(channel).tolist() for channel in read(tmp_path / "a.png")] == [[v] for v in expected]


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("white", "black")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read(tmp_path / "a.gif").min() == 255


def huge_png() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<html>not found</html>", "not in an image format that Pillow reads"),
        (huge_png(), "exceeds limit"),
    ],
)
def test_what_is_no_image_has_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    found = read_picture(tmp_path / "a.jpg", 8)
    assert found.pixels is None
    assert reason in found.reason


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "bmp"])
def test_a_truncated_image_has_a_reason(tmp_path: Path, picture: Callable[..., Path], suffix: str) -> None:
    path = picture(tmp_path / f"a.{suffix}", size=(64, 64))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = read_picture(path, 8)
    assert found.pixels is None
    assert found.reason
    assert "0x" not in found.reason


def test_floating_point_pixels_have_a_reason(tmp_path: Path) -> None:
    Image.new("F", (9, 9), 0.5).save(tmp_path / "a.tif")
    assert "floating-point pixels have no agreed white" in read_picture(tmp_path / "a.tif", 8).reason


def test_a_missing_file_has_a_reason(tmp_path: Path) -> None:
    assert read_picture(tmp_path / "a.jpg", 8) == (None, "", "no such file or directory")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "bmp"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_never_raise(tmp_path: Path, picture: Callable[..., Path], suffix: str) -> None:
    path = picture(tmp_path / f"a.{suffix}")
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = whole.copy()
        where = rng.integers(0, min(len(damaged), 300), 4)
        damaged[where] = rng.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        found = read_picture(path, 8)
        assert (found.pixels is None) == bool(found.reason)


def test_the_digest_is_that_of_the_bytes(tmp_path: Path, picture: Callable[..., Path]) -> None:
    first, again, other = (picture(tmp_path / f"{i}.png", seed=i // 2) for i in range(3))
    assert read_picture(first, 8).digest == read_picture(again, 4).digest != read_picture(other, 8).digest


def test_grey_images_are_resized_as_files_are(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (3, 10, 12), dtype=np.uint8)
    for i, image in enumerate(grey):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    found = resize_grey(grey, 16)
    assert found.shape == (3, 1, 16, 16)
    for i in range(3):
        assert np.array_equal(found[i, 0], read(tmp_path / f"{i}.png", 16)[0])


def test_grey_images_of_the_right_size_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    grey = np.random.default_rng(0).integers(0, 256, (3, 10, 10), dtype=np.uint8)
    assert np.array_equal(resize_grey(grey, None)[:, 0], grey)
    assert np.array_equal(resize_grey(grey, 10)[:, 0], grey)
    with pytest.raises(ConfigError, match="Pillow"):
        resize_grey(grey, 11)


def test_missing_pillow_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ConfigError, match=r'images need Pillow, which is missing: pip install "visattn\[compare\]"'):
        require_pillow()
