from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_source_file_has_a_test_beside_its_mirror():
    source = ROOT / "src" / "visattn"
    files = [p.relative_to(source) for p in source.rglob("*.py") if p.name != "__init__.py"]
    assert files
    missing = [str(f) for f in files if not (ROOT / "tests" / f.parent / f"test_{f.stem.strip('_')}.py").exists()]
    assert missing == []


def test_no_source_file_is_longer_than_three_hundred_lines():
    long = {str(p): n for p in (ROOT / "src").rglob("*.py") if (n := len(p.read_text().splitlines())) > 300}
    assert long == {}
