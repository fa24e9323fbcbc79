import pytest


@pytest.mark.parametrize("command", ["compare", "list", "show", "cost", "report"])
def test_every_command_explains_itself_with_examples(cli, command):
    code, out, _ = cli(command, "--help")
    assert code == 0
    assert "Examples" in out
    assert f"visattn {command}" in out
    assert "--json" in out


def test_no_command_shows_the_commands(cli):
    _, out, err = cli()
    assert "compare" in out + err
