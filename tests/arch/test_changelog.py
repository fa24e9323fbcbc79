import re
from pathlib import Path

import visattn

TEXT = (Path(__file__).resolve().parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")


def test_newest_entry_is_unreleased_or_this_version():
    newest = re.search(r"^## \[(.+?)\]", TEXT, re.MULTILINE)
    assert newest is not None
    assert newest[1] in ("Unreleased", visattn.__version__)


def test_sections_are_those_of_keep_a_changelog():
    allowed = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", TEXT, re.MULTILINE)) <= allowed
