from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from visattn.core.errors import ConfigError, DataError, UnknownNameError
from visattn.data import ImageData, Skipped, load, shapes


def test_digits_are_the_default() -> None:
    assert load().name == "digits"
    assert load().fingerprint == load("digits", size=16, val_fraction=0.3).fingerprint
    assert load(size=8, val_fraction=0.5).train.images.shape == (899, 1, 8, 8)


def test_shapes_hold_out_the_first_scenes() -> None:
    data = load("shapes:train=30,val=10,size=16,classes=5,seed=3")
    scenes = shapes(40, size=16, classes=5, seed=3)
    assert np.array_equal(data.val.images, scenes.images[:10])
    assert np.array_equal(data.train.images, scenes.images[10:])
    assert np.array_equal(data.train.labels, scenes.labels[10:])
    assert (data.name, data.classes, data.flip) == ("shapes", ("disc", "square", "triangle", "star", "ring"), True)


def test_more_training_scenes_leave_the_others_alone() -> None:
    few, many = (load(f"shapes:train={n},val=6,size=16") for n in (12, 24))
    assert np.array_equal(few.val.images, many.val.images)
    assert np.array_equal(few.train.images, many.train.images[:12])


def test_the_size_of_shapes_can_be_given_either_way() -> None:
    small = "shapes:train=6,val=6"
    assert load(small).train.images.shape == (6, 3, 64, 64)
    assert load(small, size=16).fingerprint == load(f"{small},size=16").fingerprint
    assert load(f"{small},size=16", size=16).train.images.shape == (6, 3, 16, 16)
    with pytest.raises(ConfigError, match="got size=32 and shapes:size=16: give the size once"):
        load(f"{small},size=16", size=32)


def test_spaces_and_no_options_are_allowed() -> None:
    assert len(load("shapes: train = 6, val=6,size=16,").train) == 6
    assert len(load("shapes:", size=16).val) == 500


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ("sise=32", "shapes has no option 'sise': did you mean 'size'?"),
        ("colour=1", "shapes has no option 'colour': it has train, val, size, classes, seed"),
        ("size", "shapes got size='', expected a whole number: such as size=64"),
        ("size=big", "shapes got size='big', expected a whole number"),
        ("train=9.5", "shapes got train='9.5'"),
        ("train=9,train=9", "shapes got train twice"),
        ("train=5", "got train=5, expected one scene or more of each of 6 classes"),
        ("val=1,classes=2", "got val=1, expected one scene or more of each of 2 classes"),
        ("classes=1", "shapes got classes=1, expected at least 2"),
        ("seed=-1", "shapes got seed=-1, expected at least 0"),
    ],
)
def test_odd_options_of_shapes_are_refused(options: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match.replace("?", r"\?")):
        load(f"shapes:{options}")


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_by_either_kind_of_path(photos: Path, tmp_path: Path, kind: Callable[[Path], str | Path]) -> None:
    data = load(kind(photos), cache=kind(tmp_path / "cache"))
    assert isinstance(data, ImageData)
    assert (data.name, data.classes, data.flip) == ("photos", ("cat", "dog"), True)
    assert data.train.images.shape == (8, 3, 64, 64)


def test_the_options_of_a_folder(photos: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    (photos / "cat" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 10 images in .* cannot be read"):
        load(photos, cache=tmp_path / "cache")
    data = load(
        photos,
        size=8,
        val_fraction=0.4,
        split_seed=1,
        on_bad="skip",
        cache=tmp_path / "cache",
        progress=lambda *counts: seen.append(counts),
        flip=False,
    )
    assert data.skipped == (Skipped("cat/0.png", "the file is empty"),)
    assert seen[-1] == (10, 10)
    assert data.train.images.shape[1:] == (3, 8, 8)
    assert len(data.val) in (3, 4)
    assert not data.flip


def test_a_folder_called_like_a_name(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos.rename(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert load("digits").classes == tuple("0123456789")
    assert load("./digits", cache="cache").classes == ("cat", "dog")
    assert load(Path("digits"), cache="cache").classes == ("cat", "dog")


def test_a_folder_in_the_working_directory(photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(photos.parent)
    assert load("photos", cache=tmp_path / "cache").name == "photos"
    monkeypatch.chdir(photos)
    assert load(".", cache=tmp_path / "cache").name == "photos"


def test_the_home_folder_may_be_short(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("~/photos", cache="~/cache").name == "photos"
    assert (tmp_path / "cache").is_dir()


def test_idx_files_are_found(shared_data: Path) -> None:
    assert load(shared_data / "fashion-mnist").train.images.shape == (60_000, 1, 28, 28)


@pytest.mark.parametrize(("name", "near"), [("digit", "digits"), ("shape", "shapes"), ("Digits", "digits")])
def test_an_unknown_name_gives_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown data source '{name}': did you mean '{near}'"):
        load(name)


@pytest.mark.parametrize("name", ["", "flowers"])
def test_an_unknown_name_that_is_near_none(name: str) -> None:
    with pytest.raises(UnknownNameError, match="or give the path of a folder"):
        load(name)


@pytest.mark.parametrize("source", ["./flowers", "data/flowers", "flowers/", Path("flowers")])
def test_a_missing_folder(source: str | Path) -> None:
    with pytest.raises(DataError, match="there is no folder .*flowers: check the spelling"):
        load(source)


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "flowers.zip").write_bytes(b"x")
    with pytest.raises(DataError, match=r"flowers\.zip is a file, expected a folder"):
        load(tmp_path / "flowers.zip")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"size": 0}, "load got size=0, expected at least 1"),
        ({"on_bad": "ignore"}, "load got on_bad='ignore', expected one of 'fail', 'skip'"),
        ({"val_fraction": 1.5}, r"val_fraction=1\.5, expected a number between 0 and 1"),
        ({"split_seed": -1}, "split_seed=-1, expected 0 or above"),
    ],
)
def test_options_without_meaning_are_refused(options: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        load(**options)
