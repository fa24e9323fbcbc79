import json

from visattn.cli.output import print_json
from visattn.core import Role


def test_json_keeps_letters_and_enumerations(capsys):
    print_json({"role": Role.GATE, "text": "×"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"role": "gate", "text": "×"}
    assert "×" in out
