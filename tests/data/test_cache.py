import errno
import io
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visattn.core.errors import DataError
from visattn.data.cache import decoded
from visattn.data.folders import list_images
from visattn.data.images import ImageData, Skipped, measure
from visattn.data.pictures import Picture, read_picture

Decode = Callable[..., ImageData]


@pytest.fixture
def decode(tmp_path: Path) -> Decode:
    def run(root: Path, size: int = 8, split_seed: int = 0, **options: object) -> ImageData:
        listing = list_images(root, val_fraction=0.2, split_seed=split_seed)
        options = {"on_bad": "fail", "cache": tmp_path / "cache", "progress": None, "flip": True, **options}
        return decoded(listing, size, **options)

    return run


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Record which files are decoded."""
    paths: list[Path] = []

    def record(path: Path, size: int) -> Picture:
        paths.append(path)
        return read_picture(path, size)

    monkeypatch.setattr("visattn.data.cache.read_picture", record)
    return paths


def test_pixels_are_those_of_the_files(photos: Path, decode: Decode) -> None:
    data = decode(photos)
    listing = list_images(photos, val_fraction=0.2, split_seed=0)
    for split, files in ((data.train, listing.train), (data.val, listing.val)):
        assert np.array_equal(split.images, [read_picture(f.path, 8).pixels for f in files])
        assert split.labels.tolist() == [data.classes.index(f.category) for f in files]
    assert (data.name, data.classes, data.skipped, data.duplicates, data.flip) == (
        *("photos", ("cat", "dog"), (), (), True),
    )
    assert measure(data.train, data.val) == {"fingerprint": data.fingerprint, "mean": data.mean, "std": data.std}


def test_the_images_are_mapped_from_one_file(photos: Path, decode: Decode, tmp_path: Path) -> None:
    data = decode(photos)
    for split in (data.train, data.val):
        assert isinstance(split.images, np.memmap)
        assert not split.images.flags.writeable
    assert sorted(p.suffix for p in (tmp_path / "cache").iterdir()) == [".json", ".npy"]


def test_a_second_time_nothing_is_decoded(photos: Path, decode: Decode, opened: list[Path]) -> None:
    first = decode(photos)
    assert len(opened) == 10
    again = decode(photos)
    assert len(opened) == 10
    assert again.fingerprint == first.fingerprint
    assert np.array_equal(again.train.images, first.train.images)
    assert (again.mean, again.std, again.classes) == (first.mean, first.std, first.classes)


def test_what_changes_is_decoded_anew(
    photos: Path, decode: Decode, opened: list[Path], picture: Callable[..., Path]
) -> None:
    prints = [decode(photos).fingerprint, decode(photos, size=9).fingerprint, decode(photos, split_seed=1).fingerprint]
    picture(photos / "cat" / "0.png", seed=99)
    prints.append(decode(photos).fingerprint)
    (photos / "cat" / "1.png").rename(photos / "cat" / "9.png")
    prints.append(decode(photos).fingerprint)
    (photos / "dog" / "1.png").unlink()
    prints.append(decode(photos).fingerprint)
    assert len(opened) == 59
    assert len(set(prints)) == 6


def test_a_file_of_another_time_is_decoded_anew(photos: Path, decode: Decode, opened: list[Path]) -> None:
    first = decode(photos)
    os.utime(photos / "cat" / "0.png", ns=(0, 0))
    assert decode(photos).fingerprint == first.fingerprint
    assert len(opened) == 20


def test_two_folders_of_alike_files_are_kept_apart(
    tmp_path: Path, decode: Decode, picture: Callable[..., Path]
) -> None:
    for seed, root in enumerate(("one", "two")):
        for name in ("a/1.bmp", "a/2.bmp", "b/1.bmp", "b/2.bmp"):
            os.utime(picture(tmp_path / root / name, seed=seed), ns=(0, 0))
    assert decode(tmp_path / "one").fingerprint != decode(tmp_path / "two").fingerprint


@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize("share", [0, 0.05, 0.7])
def test_a_damaged_cache_is_made_anew(
    photos: Path, decode: Decode, tmp_path: Path, opened: list[Path], suffix: str, share: float
) -> None:
    first = decode(photos).fingerprint
    file = next((tmp_path / "cache").glob(f"*{suffix}"))
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert decode(photos).fingerprint == first
    assert len(opened) == 20


def test_progress_counts_up(photos: Path, decode: Decode) -> None:
    seen: list[tuple[int, int]] = []
    decode(photos, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 10) for i in range(1, 11)]


def test_an_interruption_leaves_nothing_behind(photos: Path, decode: Decode, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode(photos, progress=interrupt)
    assert list((tmp_path / "cache").iterdir()) == []
    assert len(decode(photos).train) == 8


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def test_unreadable_images_are_all_named(photos: Path, decode: Decode, tmp_path: Path) -> None:
    damage(photos / "cat" / "1.png")
    (photos / "dog" / "2.png").write_bytes(b"")
    (photos / "dog" / "3.jpg").symlink_to(photos / "gone.jpg")
    with pytest.raises(DataError) as caught:
        decode(photos)
    assert f"3 of 11 images in {photos} cannot be read: mend or remove them" in str(caught.value)
    assert "leave them out with --on-bad skip" in str(caught.value)
    for line in ("cat/1.png: ", "dog/2.png: the file is empty", "dog/3.jpg: no such file or directory"):
        assert f"\n  {line}" in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_ten_unreadable_images_are_listed_and_the_rest_counted(
    tmp_path: Path, decode: Decode, picture: Callable[..., Path]
) -> None:
    for i in range(14):
        damage(picture(tmp_path / "many" / "a" / f"{i:02}.png"))
    for i in range(2):
        picture(tmp_path / "many" / "b" / f"{i}.png")
    with pytest.raises(DataError, match="14 of 16 images") as caught:
        decode(tmp_path / "many")
    lines = str(caught.value).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "  and 4 more"


def test_unreadable_images_can_be_left_out(photos: Path, decode: Decode, opened: list[Path]) -> None:
    damage(photos / "cat" / "1.png")
    data = decode(photos, on_bad="skip")
    assert [s.path for s in data.skipped] == ["cat/1.png"]
    assert "truncated" in data.skipped[0].reason
    assert len(data.train) + len(data.val) == 9
    assert len(opened) == 10
    again = decode(photos, on_bad="skip")
    assert again.skipped == data.skipped == (Skipped("cat/1.png", data.skipped[0].reason),)
    assert again.fingerprint == data.fingerprint
    # only the bad image is tried again
    assert len(opened) == 11
    with pytest.raises(DataError, match="1 of 10 images"):
        decode(photos, on_bad="fail")


def test_the_images_after_a_skipped_one_keep_their_labels(photos: Path, decode: Decode) -> None:
    whole = decode(photos)
    damage(photos / "cat" / "1.png")
    data = decode(photos, on_bad="skip")
    before = {
        image.tobytes(): label
        for s in (whole.train, whole.val)
        for image, label in zip(s.images, s.labels, strict=True)
    }
    for split in (data.train, data.val):
        assert [before[image.tobytes()] for image in split.images] == split.labels.tolist()


def test_an_image_that_was_locked_is_read_later(photos: Path, decode: Decode, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        read_bytes = Path.read_bytes

        def refuse(path: Path) -> bytes:
            if path.name == "3.png":
                raise PermissionError(13, "Permission denied")
            return read_bytes(path)

        patch.setattr(Path, "read_bytes", refuse)
        skipped = decode(photos, on_bad="skip").skipped
    assert skipped == (Skipped("cat/3.png", "permission denied"), Skipped("dog/3.png", "permission denied"))
    assert decode(photos, on_bad="skip").skipped == ()


def test_a_class_without_readable_images_is_refused(photos: Path, decode: Decode) -> None:
    for path in (photos / "cat").iterdir():
        damage(path)
    with pytest.raises(DataError, match="has no image in train of class 'cat': every class needs a readable image"):
        decode(photos, on_bad="skip")


def test_a_full_disk_is_explained(
    photos: Path, decode: Decode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, content: bytes) -> int:
            if self.tell() > 500:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)

    write = Path.open
    monkeypatch.setattr(Path, "open", lambda p, mode="r", **rest: Full() if mode == "wb" else write(p, mode, **rest))
    with pytest.raises(DataError, match=r"no space left in .*cache for the decoded images, which need 0\.1 MB: free"):
        decode(photos, size=64)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_explained(photos: Path, decode: Decode, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written to .*file: File exists: choose another folder with cache="):
        decode(photos, cache=tmp_path / "file")


def test_the_cache_is_in_the_home_folder_unless_told(
    photos: Path, decode: Decode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    decode(photos, cache=None)
    assert len(list((tmp_path / "home" / ".cache" / "visattn").glob("*.npy"))) == 1


def test_the_same_file_in_both_parts_is_reported(tmp_path: Path, decode: Decode, picture: Callable[..., Path]) -> None:
    for seed, name in enumerate(("train/a/1", "train/a/2", "train/b/1", "val/a/1", "val/b/1", "val/b/2")):
        picture(tmp_path / "set" / f"{name}.png", seed=seed)
    root = tmp_path / "set"
    (root / "val/b/2.png").write_bytes((root / "train/a/2.png").read_bytes())
    (root / "train/b/9.png").write_bytes((root / "train/b/1.png").read_bytes())
    data = decode(root)
    assert data.duplicates == (("train/a/2.png", "val/b/2.png"),)
    assert decode(root).duplicates == data.duplicates


def test_odd_metadata_makes_no_image_bad(photos: Path, decode: Decode) -> None:
    image = Image.new("P", (9, 9), 0)
    # a palette with several transparent entries makes Pillow warn, and a warning is an error here
    image.putpalette([5, 6, 7, 200, 0, 0])
    image.save(photos / "cat" / "0.png", transparency=b"\0\x80")
    assert decode(photos).skipped == ()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such file names")
def test_a_name_that_is_no_utf8_is_no_trouble(photos: Path, decode: Decode, picture: Callable[..., Path]) -> None:
    picture(photos / "cat" / "7.png").rename(photos / "cat" / os.fsdecode(b"caf\xe9.png"))
    damage(picture(photos / "dog" / "8.png").rename(photos / "dog" / os.fsdecode(b"d\xe9j\xe0.png")))
    skipped = decode(photos, on_bad="skip").skipped
    assert [os.fsencode(s.path) for s in skipped] == [b"dog/d\xe9j\xe0.png"]
    assert decode(photos, on_bad="skip").skipped == skipped


def test_real_photographs(shared_data: Path, tmp_path: Path, decode: Decode, opened: list[Path]) -> None:
    with tarfile.open(shared_data / "flowers5-128px" / "flowers5-128px.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    data = decode(tmp_path / "flowers5-128px", size=32)
    assert data.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert np.bincount(data.train.labels).tolist() == [506, 718, 511, 559, 638]
    assert np.bincount(data.val.labels).tolist() == [127, 180, 129, 140, 160]
    assert (data.skipped, data.duplicates) == ((), ())
    assert data.train.images.shape == (2932, 3, 32, 32)
    assert 0.3 < min(data.mean) < max(data.mean) < 0.5
    assert decode(tmp_path / "flowers5-128px", size=32).fingerprint == data.fingerprint
    assert len(opened) == 3668
