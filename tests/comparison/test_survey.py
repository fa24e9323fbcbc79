import pytest

from visattn.comparison.arms import build_arm
from visattn.comparison.survey import survey
from visattn.core.errors import PlugError
from visattn.costs import count_params


def test_arms_and_their_order(make):
    plan, setting = make("se,eca,gc")
    found = survey(plan, setting)
    assert [a.id for a in found.arms] == ["baseline", "no-op", "control", "se", "eca", "gc"]
    assert found.refused == ()
    assert found.control_of == {"se": "control", "eca": "control", "gc": "control"}


def test_the_control_has_about_as_many_parameters_as_the_median_mechanism(make):
    plan, setting = make("se(reduction=1),se(reduction=2),se(reduction=8)")
    found = survey(plan, setting)
    counts = {a.id: count_params(build_arm(setting, a, 0)[0]) for a in found.arms}
    added = {k: v - counts["baseline"] for k, v in counts.items()}
    assert added["no-op"] == 0
    assert added["control"] == pytest.approx(added["se(reduction=2)"], rel=0.25)
    assert found.insertions["control"]["params_added"] == added["control"]


def test_one_control_for_each_mechanism(make):
    plan, setting = make("se,rfaconv", controls="each")
    found = survey(plan, setting)
    assert found.control_of == {"se": "control for se", "rfaconv": "control for rfaconv"}
    counts = {a.id: count_params(build_arm(setting, a, 0)[0]) for a in found.arms}
    added = {k: v - counts["baseline"] for k, v in counts.items()}
    assert added["control for rfaconv"] == pytest.approx(added["rfaconv"], rel=0.1)
    conv_sites = [s["path"] for s in found.insertions["rfaconv"]["sites"]]
    assert [s["path"] for s in found.insertions["control for rfaconv"]["sites"]] == conv_sites


def test_no_control_on_request(make):
    plan, setting = make("se", controls="none")
    found = survey(plan, setting)
    assert [a.kind for a in found.arms] == ["baseline", "no-op", "mechanism"]
    assert found.control_of == {}


def test_a_mechanism_that_cannot_go_there_is_named_and_the_others_stay(make):
    plan, setting = make("se,rfaconv(where='fc')")
    found = survey(plan, setting)
    assert [a.id for a in found.arms if a.kind == "mechanism"] == ["se"]
    ((arm, reason),) = found.refused
    assert arm.id == "rfaconv(where=fc)"
    assert "fc" in reason


def test_nothing_to_compare_is_an_error(make):
    plan, setting = make("se(where='nowhere')")
    with pytest.raises(PlugError, match="no mechanism can go into resnet8.*nowhere"):
        survey(plan, setting)


def test_no_op_goes_where_gates_go(make):
    plan, setting = make("se")
    found = survey(plan, setting)
    paths = {name: [s["path"] for s in found.insertions[name]["sites"]] for name in ("no-op", "se")}
    assert paths["no-op"] == paths["se"]
