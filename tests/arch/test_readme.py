import re
from pathlib import Path

import pytest

from visattn.catalogue import list_mechanisms

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_every_mechanism_is_named_and_nothing_else_is(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    table = [
        line for line in text.splitlines() if re.match(r"\| (channel|spatial|mixed|context|conv|sequence|gaze) ", line)
    ]
    assert sorted(re.findall(r"`(\w+)`", "\n".join(table))) == list_mechanisms()


def test_both_readmes_have_the_same_commands():
    commands = [
        re.findall(
            r"^(?:python3 -m venv.*|visattn [^#\n]*?) *(?:#.*)?$", (ROOT / n).read_text(encoding="utf-8"), re.MULTILINE
        )
        for n in ("README.md", "README.zh-CN.md")
    ]
    stripped = [[re.sub(r" +#.*", "", c).strip() for c in found] for found in commands]
    assert stripped[0] == stripped[1]
    assert len(stripped[0]) >= 6


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_between_documents_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", text) if "://" not in t]
    assert all((ROOT / t).exists() for t in targets)


def test_the_architecture_names_every_package():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = [p.name for p in (ROOT / "src" / "visattn").iterdir() if (p / "__init__.py").exists()]
    assert all(f"`{p}`" in text for p in packages)
