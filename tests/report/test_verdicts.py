import pytest

from visattn.report.schema import SCHEMA
from visattn.report.verdicts import VERDICTS, verdict_of

CODES = SCHEMA["properties"]["arms"]["items"]["properties"]["verdict"]["properties"]["code"]["enum"]


@pytest.mark.parametrize("code", CODES)
def test_every_code_can_be_shown(code):
    assert verdict_of({"kind": "mechanism", "verdict": {"code": code}}).mark == code


def test_a_control_has_its_own_mark_unless_it_failed():
    assert verdict_of({"kind": "control", "verdict": {"code": "reference"}}).mark == "control"
    assert verdict_of({"kind": "control", "verdict": {"code": "diverged"}}).mark == "diverged"


@pytest.mark.parametrize("part", ["mark", "word", "sign"])
def test_no_two_verdicts_look_the_same(part):
    assert len({getattr(verdict, part) for verdict in VERDICTS.values()}) == len(VERDICTS)
