import pytest


@pytest.mark.slow
def test_plain_and_plugged(cli, cli_json):
    words = ("cost", "resnet8", "--size", "32", "--rounds", "3")
    plain, plugged = cli_json(*words), cli_json(*words, "--mechanism", "se(reduction=4)")
    assert plugged["params"] > plain["params"]
    assert plugged["baseline"]["params"] == plain["params"]
    code, out, _ = cli(*words, "--mechanism", "se(reduction=4)")
    assert code == 0
    assert "resnet8 with se(reduction=4) at 3 sites" in out
    assert "forward pass" in out


def test_unknown_model(cli):
    code, _, err = cli("cost", "resnt18")
    assert code == 2
    assert "resnet18" in err


def test_two_mechanisms_are_one_too_many(cli):
    code, _, err = cli("cost", "resnet8", "--mechanism", "se,eca")
    assert code == 2
    assert "one mechanism" in err
