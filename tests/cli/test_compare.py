import json

import pytest

from visattn.cli.compare import read_seeds
from visattn.core.errors import ConfigError

QUICK = ("--seeds", "2", "--epochs", "1", "--size", "8", "--batch-size", "128", "--quiet")


@pytest.mark.slow
def test_a_comparison_prints_a_table_and_writes_a_report(cli, tmp_path):
    code, out, err = cli("compare", "--mechanisms", "eca", "--out", tmp_path, *QUICK)
    assert code == 0, err
    assert "eca" in out
    assert "baseline" in out
    assert "no-op" in out
    assert (tmp_path / "report.html").exists()
    again, out, _ = cli("compare", "--mechanisms", "eca", "--out", tmp_path, *QUICK, "--json")
    assert again == 0
    assert json.loads(out) == json.loads((tmp_path / "results.json").read_text())
    page = (tmp_path / "report.html").read_text()
    code, out, _ = cli("report", tmp_path, "--out", tmp_path / "again.html")
    assert code == 0
    assert (tmp_path / "again.html").read_text() == page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--mechanisms", "cbma"), "did you mean 'cbam'"),
        (("--mechanisms", "se(reduction=8"), "cannot be read"),
        (("--model", "resnt8"), "did you mean 'resnet8'"),
        (("--seeds", "x"), "pass how many"),
        (("--seeds", "0"), "expected at least 1"),
        (("--epochs", "0"), "epochs is 0"),
        (("digts",), "digits"),
        (("/nonexistent/photos",), "/nonexistent/photos"),
        (("--weights", "none.pt"), "no weights file"),
    ],
)
def test_mistakes_are_named_before_anything_is_trained(cli, tmp_path, words, message):
    code, out, err = cli("compare", *words, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("out/runs/*"))


def test_a_folder_that_cannot_be_written_is_named(cli, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = cli("compare", "--out", tmp_path / "file")
    assert code == 2
    assert "cannot be written" in err


def test_seeds():
    assert read_seeds("0,3,7") == (0, 3, 7)
    with pytest.raises(ConfigError, match="--seeds got"):
        read_seeds("")
