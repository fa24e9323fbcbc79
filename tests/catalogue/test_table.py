import importlib
import re
from pathlib import Path

import pytest

import visattn.layers
from visattn.catalogue.table import SPECS
from visattn.core.spec import Spec

every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)
FILES = sorted(p for p in Path(visattn.layers.__file__).parent.glob("*/*.py") if p.name != "__init__.py")


def test_names_are_sorted_and_unique() -> None:
    names = [s.name for s in SPECS]
    assert names == sorted(set(names))


def users(file: Path) -> set[str]:
    """Return the names of all files that import from this one, or from one that does."""
    found, waiting = set(), [file]
    while waiting:
        used = waiting.pop()
        line = f"from visattn.layers.{used.parent.name}.{used.stem} import"
        new = {f for f in FILES if line in f.read_text(encoding="utf-8")} - found
        found |= new
        waiting += new
    return {f.stem for f in found}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_every_layer_file_is_in_the_table_under_its_own_name_or_part_of_one_that_is(file: Path) -> None:
    family, name = file.parent.name, file.stem
    spec = getattr(importlib.import_module(f"visattn.layers.{family}.{name}"), "SPEC", None)
    if spec is None:
        assert users(file) & {s.name for s in SPECS}
    else:
        assert spec in SPECS
        assert (spec.family, spec.name) == (family, name)


def test_every_mechanism_of_the_table_has_its_file() -> None:
    assert {(s.family, s.name) for s in SPECS} <= {(f.parent.name, f.stem) for f in FILES}


@every_spec
def test_facts_are_stated(spec: Spec) -> None:
    assert spec.maths and spec.differs
    assert spec.build.__doc__
    sentences = [spec.summary, spec.default_reason, *spec.differs]
    assert [s for s in sentences if not re.fullmatch(r"\S.*\S\.", s)] == []
    assert re.fullmatch(r"(\d{4}\.\d{4,5})?", spec.paper.arxiv)
    assert 1998 <= spec.paper.year <= 2026


@every_spec
def test_official_sources_are_well_formed(spec: Spec) -> None:
    for entry in spec.official:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+:[\w./-]+\.\w+(:\w+.*)?|paper formula \(.+\)", entry.source)
        assert entry.licence


def test_no_official_class_is_claimed_twice() -> None:
    sources = [o.source for s in SPECS for o in s.official]
    assert len(sources) == len(set(sources))
