"""The folder of a comparison: runs named by the hash of their specification, each finished by its result.json.

OUT/plan.json            version and command of whoever wrote here last
OUT/runs/<hash>/         spec.json, last.pt while it runs, predicted.npy, explanations.npz, result.json
OUT/costs.json           what the arms cost
OUT/results.json, report.html
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from visattn import __version__
from visattn.comparison.plan import digest
from visattn.core.errors import RunError


def write_json(path: Path, values: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Write JSON so that the file is either the old one or the new one, whole.

    Raises:
        RunError: The folder cannot be written, or the disk is full.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(values, indent=indent, allow_nan=False), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise cannot_write(path.parent, error) from error


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a JSON file holds, or None where there is none or it is damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return values if isinstance(values, dict) else None


def cannot_write(folder: Path, error: OSError) -> RunError:
    """Return the error for a folder that cannot be written."""
    if error.errno == errno.ENOSPC:
        return RunError(f"no space left on the disk of {folder}", hint="free some, or pass --out on another disk")
    return RunError(f"{folder} cannot be written: {error.strerror or error}", hint="pass --out with a folder of yours")


class Store:
    """One comparison's folder.

    Args:
        folder: Made when it is not there.

    Raises:
        RunError: It cannot be written, or another version of visattn wrote it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        if not os.access(self.runs, os.W_OK):
            raise RunError(f"{folder} cannot be written", hint="pass --out with a folder of yours")
        plan = read_json(folder / "plan.json")
        if plan and plan.get("visattn") != __version__:
            raise RunError(
                f"{folder} was made by visattn {plan.get('visattn')}, this is {__version__}",
                hint="pass another --out; results of two versions are not comparable",
            )

    @property
    def runs(self) -> Path:
        """Folder of the runs."""
        return self.folder / "runs"

    def run_folder(self, spec: Mapping[str, Any]) -> Path:
        """Return the folder of the run with this specification."""
        return self.runs / digest(spec)

    def result(self, spec: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the result of a finished run, or None."""
        return read_json(self.run_folder(spec) / "result.json")

    def read(self, name: str) -> dict[str, Any] | None:
        """Return one of the comparison's own JSON files, or None."""
        return read_json(self.folder / name)

    def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Write one of the comparison's own JSON files."""
        write_json(self.folder / name, values, indent=1)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against a second comparison; the lock goes with the process, however that ends.

        Raises:
            RunError: Another comparison is writing here.
        """
        with (self.folder / ".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(
                    f"another comparison is writing to {self.folder}", hint="wait for it, or pass another --out"
                ) from error
            yield


def prepare_run(folder: Path, spec: Mapping[str, Any]) -> None:
    """Make the folder of a run; one whose specification is damaged or another's is begun anew."""
    try:
        stored = read_json(folder / "spec.json")
        if folder.exists() and stored != json.loads(json.dumps(spec)):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    write_json(folder / "spec.json", spec)
