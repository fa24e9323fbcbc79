import os
from collections.abc import Callable
from pathlib import Path

import pytest

from visattn.core.errors import DataError
from visattn.data.folders import Listing, entries, list_images


def listed(root: Path, val_fraction: float = 0.2, split_seed: int = 0) -> Listing:
    return list_images(root, val_fraction=val_fraction, split_seed=split_seed)


def names(listing: Listing) -> tuple[list[str], list[str]]:
    return [f.name for f in listing.train], [f.name for f in listing.val]


def touch(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x")
    return root


def test_classes_are_divided_one_by_one(photos: Path) -> None:
    listing = listed(photos)
    assert listing.classes == ("cat", "dog")
    assert listing.labels(listing.train).tolist() == [0] * 4 + [1] * 4
    assert listing.labels(listing.val).tolist() == [0, 1]
    train, val = names(listing)
    assert sorted(train + val) == [f"{c}/{i}.png" for c in ("cat", "dog") for i in range(5)]


def test_the_split_follows_its_seed_and_fraction(photos: Path) -> None:
    assert names(listed(photos)) == names(listed(photos))
    assert len({tuple(names(listed(photos, split_seed=s))[1]) for s in range(6)}) > 1
    assert len(listed(photos, val_fraction=0.6).val) == 6


@pytest.mark.parametrize("val", ["val", "valid", "validation", "test", "Val"])
def test_a_divided_folder_is_taken_as_it_is(tmp_path: Path, val: str) -> None:
    touch(tmp_path, "train/b/1.jpg", "train/a/1.jpg", "train/a/2.jpg", f"{val}/a/3.jpg", f"{val}/b/4.jpg", "README.md")
    listing = listed(tmp_path)
    assert listing.classes == ("a", "b")
    assert names(listing) == (["train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg"], [f"{val}/a/3.jpg", f"{val}/b/4.jpg"])
    assert listing.labels(listing.train).tolist() == [0, 0, 1]


def test_val_goes_before_test(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{part}/{c}/1.jpg" for part in ("train", "val", "test") for c in "ab"))
    assert names(listed(tmp_path))[1] == ["val/a/1.jpg", "val/b/1.jpg"]


def test_train_alone_is_divided(tmp_path: Path) -> None:
    touch(tmp_path, *(f"train/{c}/{i}.jpg" for c in "ab" for i in range(3)))
    listing = listed(tmp_path)
    assert listing.classes == ("a", "b")
    assert (len(listing.train), len(listing.val)) == (4, 2)


def test_trains_among_cars_are_a_class(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{c}/{i}.jpg" for c in ("car", "train") for i in range(3)))
    assert listed(tmp_path).classes == ("car", "train")


def test_val_alone_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "valid/a/1.jpg", "valid/b/1.jpg")
    with pytest.raises(DataError, match="has valid/ but no train/: rename"):
        listed(tmp_path)


def test_deep_hidden_and_other_files(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *("a/1.JPG", "a/deep/er/2.webp", "a/notes.txt", "a/.hidden.jpg", "a/.cache/3.jpg", "b/1.png", "b/2.png"),
        *(".git/c/1.jpg", "docs/readme.md", "loose.jpg"),
    )
    listing = listed(tmp_path)
    assert listing.classes == ("a", "b")
    assert sorted(f.name for f in listing.train + listing.val) == ["a/1.JPG", "a/deep/er/2.webp", "b/1.png", "b/2.png"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "data", *(f"{c}/{i}.jpg" for c in "ab" for i in range(2)))
    touch(tmp_path / "elsewhere", "1.jpg", "2.jpg")
    (tmp_path / "data" / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "again").symlink_to(tmp_path / "data" / "a")
    listing = listed(tmp_path / "data")
    assert listing.classes == ("a", "b", "c")
    assert len(listing.train + listing.val) == 6


def test_a_broken_link_is_listed(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{c}/{i}.jpg" for c in "ab" for i in range(2)))
    (tmp_path / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    files = {f.name: f for f in listed(tmp_path).train + listed(tmp_path).val}
    assert (files["a/gone.jpg"].size, files["a/gone.jpg"].modified) == (-1, -1)
    assert files["a/0.jpg"].size == 1


def test_a_link_to_itself_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DataError, match=r"loop cannot be read: Too many levels of symbolic links: mend or remove it"):
        listed(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nowhere: check the spelling"):
        listed(tmp_path / "nowhere")


def test_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "flowers.zip")
    with pytest.raises(DataError, match=r"flowers\.zip is a file, expected a folder: unpack it"):
        listed(tmp_path / "flowers.zip")


@pytest.mark.parametrize("locked", ["", "a"])
def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str) -> None:
    touch(tmp_path, "a/1.jpg", "b/1.jpg")
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        # the superuser may read everything, so that removing the right to read would not do
        if Path(folder) == tmp_path / locked:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="cannot be read: Permission denied: mend its permissions"):
        listed(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty: each class needs a folder of its own"):
        listed(tmp_path)


def test_a_folder_without_images(tmp_path: Path) -> None:
    touch(tmp_path, "a/notes.txt", "b/notes.txt")
    with pytest.raises(DataError, match="holds no images: each class needs"):
        listed(tmp_path)


def test_images_without_class_folders(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    with pytest.raises(DataError, match="holds images but no class folders: each class needs"):
        listed(tmp_path)


def test_one_class(tmp_path: Path) -> None:
    touch(tmp_path, "only/1.jpg", "only/2.jpg", "empty/notes.txt")
    with pytest.raises(DataError, match="has one class, 'only', expected at least two"):
        listed(tmp_path)


def test_a_class_with_one_image(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg")
    with pytest.raises(DataError, match="the class 'b' has 1 image, expected at least two: one is needed"):
        listed(tmp_path)


@pytest.mark.parametrize(("there", "lacking"), [("val", "train"), ("train", "val")])
def test_a_class_in_one_part_only(tmp_path: Path, there: str, lacking: str) -> None:
    touch(tmp_path, *(f"{part}/{c}/1.jpg" for part in ("train", "val") for c in "ab"), f"{there}/c/1.jpg")
    with pytest.raises(DataError, match=f"has no image in {lacking} of class 'c': every class needs"):
        listed(tmp_path)


def test_entries_are_sorted_and_visible(tmp_path: Path, picture: Callable[..., Path]) -> None:
    touch(tmp_path, "b", "a", ".c")
    assert [e.name for e in entries(tmp_path)] == ["a", "b"]
