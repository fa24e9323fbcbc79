import json

import pytest
import torch

from visattn.core import PlugError, Role
from visattn.plug import Placed, Receipt, no_op, plug_


@pytest.fixture
def receipt():
    undone = []
    made = Receipt(
        mechanism="se",
        role=Role.GATE,
        options={"reduction": 4},
        identity=True,
        sites=(Placed(path="a.b", how="gate blend", params=1001), Placed(path="long.path", how="gate", params=2)),
        params_before=10_000,
        params_after=11_003,
        tensors_total=7,
        tensors_kept=6,
        macs_before=1,
        macs_after=3,
        macs_uncounted={},
        max_difference=0.5,
        max_difference_training=None,
        _undo=lambda: undone.append(True),
    )
    return made, undone


def test_text(receipt):
    assert str(receipt[0]).splitlines() == [
        "se in 2 places, the model's output unchanged at first",
        "  a.b        gate blend  1,001 parameters",
        "  long.path  gate  2 parameters",
        "parameters         10,000 → 11,003 (+1,003)",
        "MACs per image     1 → 3",
        "tensors kept       6 of 7",
        "largest difference 0.5 in evaluation, not measured in training",
    ]


def test_text_of_what_is_published_and_not_fully_counted(receipt):
    made = receipt[0]
    made.identity = False
    made.macs_uncounted = {"own.op": 2}
    assert str(made).startswith("se in 2 places, as published")
    assert "1 → 3 or more" in str(made)


def test_json(receipt):
    facts = json.loads(json.dumps(receipt[0].to_json()))
    assert facts["role"] == "gate"
    assert facts["sites"][0] == {"path": "a.b", "how": "gate blend", "params": 1001}
    assert facts["params_added"] == 1003
    assert set(facts) == {
        *("mechanism", "role", "options", "identity", "sites", "params_before", "params_after", "params_added"),
        *("tensors_total", "tensors_kept", "macs_before", "macs_after", "macs_uncounted"),
        *("max_difference", "max_difference_training"),
    }


def test_json_of_a_real_one(plain, example):
    facts = plug_(plain, no_op, role="gate", example=example).to_json()
    assert (facts["mechanism"], facts["options"], facts["params_added"]) == ("no_op", {}, 0)
    assert json.loads(json.dumps(facts)) == facts


def test_undo_runs_once(receipt):
    made, undone = receipt
    made.undo()
    with pytest.raises(PlugError, match="this insertion of se was already undone"):
        made.undo()
    assert undone == [True]


def test_an_undo_that_failed_can_be_tried_again(plain, example):
    receipt = plug_(plain, "se", example=example)
    carried = plain[1].norm2.visattn
    plain[1].norm2.visattn = torch.nn.Identity()
    with pytest.raises(PlugError, match="no longer carries"):
        receipt.undo()
    plain[1].norm2.visattn = carried
    receipt.undo()
    assert not hasattr(plain[1].norm2, "visattn")
