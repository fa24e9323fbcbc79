from visattn.catalogue import list_mechanisms


def test_all_mechanisms(cli, cli_json):
    assert [row["name"] for row in cli_json("list")] == list_mechanisms()
    _, out, _ = cli("list", "--role", "gate")
    assert "squeeze" not in out.split()[0]
    assert "se" in out
    assert "rfaconv" not in out


def test_models(cli):
    _, out, _ = cli("list", "--models", "--pattern", "resnet8*")
    assert out.split() == ["resnet8", "resnet8_s2", "resnet8_s4"]


def test_nothing_found_says_so(cli):
    assert cli("list", "--pattern", "zzz")[0] == 2
    code, _, err = cli("list", "--role", "gat")
    assert code == 2
    assert "expected one of gate" in err
