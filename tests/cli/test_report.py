import json


def test_what_is_no_result_is_named(cli, tmp_path):
    code, _, err = cli("report", tmp_path)
    assert code == 2
    assert "no results at" in err
    (tmp_path / "results.json").write_text("{")
    assert "is not JSON" in cli("report", tmp_path)[2]
    (tmp_path / "results.json").write_text(json.dumps({"schema": "visattn.results/0"}))
    code, _, err = cli("report", tmp_path)
    assert code == 2
    assert "visattn.results/0" in err
