import errno
import json

import pytest

from visattn.comparison.store import Store, cannot_write, prepare_run, read_json, write_json
from visattn.core.errors import RunError


def test_json_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(RunError, match="no space left on the disk"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_bytes()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_damaged_json_counts_as_absent(tmp_path):
    (tmp_path / "a.json").write_text('{"a": ')
    assert read_json(tmp_path / "a.json") is None
    assert read_json(tmp_path / "none.json") is None
    (tmp_path / "b.json").write_text("[1]")
    assert read_json(tmp_path / "b.json") is None


def test_not_a_number_is_refused_rather_than_written(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a.json", {"a": float("nan")})


def test_a_folder_of_another_version_is_refused(tmp_path):
    Store(tmp_path).write("plan.json", {"visattn": "0.0.1", "plan": {}})
    with pytest.raises(RunError, match=r"was made by visattn 0\.0\.1.*pass another --out"):
        Store(tmp_path)


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        Store(tmp_path / "file")


def test_two_comparisons_cannot_write_to_one_folder(tmp_path):
    first, second = Store(tmp_path), Store(tmp_path)
    with first.locked(), pytest.raises(RunError, match="another comparison is writing"), second.locked():
        pass
    with second.locked():
        pass


def test_a_run_folder_with_another_specification_is_begun_anew(tmp_path):
    folder = tmp_path / "run"
    prepare_run(folder, {"seed": 1})
    (folder / "last.pt").write_bytes(b"x")
    prepare_run(folder, {"seed": 1})
    assert (folder / "last.pt").exists()
    prepare_run(folder, {"seed": 2})
    assert not (folder / "last.pt").exists()


def test_other_write_errors_name_the_folder(tmp_path):
    assert "Permission denied" in str(cannot_write(tmp_path, PermissionError(errno.EACCES, "Permission denied")))
