import numpy as np
import pytest

from visattn.comparison.verdicts import judge, judge_baseline, judge_control, judge_no_op

SEEDS = range(5)


def runs(rate, rng):
    """Right or wrong at random on 400 images for five seeds."""
    return {s: rng.random(400) < rate for s in SEEDS}


@pytest.fixture
def baseline():
    return runs(0.8, np.random.default_rng(0))


def shifted(baseline, gain, rng):
    """The baseline, with `gain` of the wrong answers made right, or of the right ones made wrong."""
    changed = {}
    for seed, right in baseline.items():
        chosen = rng.random(right.size) < abs(gain)
        changed[seed] = right | chosen if gain > 0 else right & ~chosen
    return changed


@pytest.mark.parametrize(("gain", "code"), [(0.3, "helps"), (-0.1, "hurts"), (0.0, "no_evidence")])
def test_verdicts(baseline, gain, code):
    judged = judge({"x": shifted(baseline, gain, np.random.default_rng(1))}, baseline, {}, {})["x"]
    assert judged.code == code
    assert judged.text.startswith({"helps": "it helps: p", "hurts": "it hurts: p", "no_evidence": "no evidence"}[code])


def test_a_gain_that_plain_parameters_give_too_is_called_that(baseline):
    rng = np.random.default_rng(2)
    better, control = shifted(baseline, 0.3, rng), shifted(baseline, 0.3, rng)
    assert "not more than as many plain parameters" in judge({"x": better}, baseline, {"x": control}, {})["x"].text
    much = shifted(baseline, 0.9, rng)
    judged = judge({"x": much}, baseline, {"x": control}, {})["x"]
    assert ", more than as many plain parameters" in judged.text
    assert judged.versus_control["mean"] > 0


def test_no_evidence_says_what_could_not_have_been_seen(baseline):
    judged = judge({"x": shifted(baseline, 0.01, np.random.default_rng(3))}, baseline, {}, {})["x"]
    assert f"below {judged.effect['mde']:.2f} points could not have been seen" in judged.text


def test_correction_grows_with_the_number_of_mechanisms(baseline):
    arm = shifted(baseline, 0.05, np.random.default_rng(4))
    alone = judge({"x": arm}, baseline, {}, {})["x"].effect
    among = judge({"x": arm, **{f"n{i}": runs(0.8, np.random.default_rng(i)) for i in range(7)}}, baseline, {}, {})
    assert alone["p"] == alone["p_holm"]
    assert among["x"].effect["p_holm"] > alone["p_holm"]
    assert among["x"].effect["mde"] > alone["mde"]


def test_one_seed_allows_no_statement(baseline):
    judged = judge({"x": {0: baseline[0]}}, baseline, {}, {})["x"]
    assert (judged.code, judged.effect) == ("no_evidence", None)
    assert "two or more are needed" in judged.text
    assert "unknown" in judge_no_op({0: baseline[0]}, baseline, None).text


def test_trouble_is_the_verdict_but_the_other_seeds_still_count(baseline):
    arm = {s: r for s, r in shifted(baseline, 0.3, np.random.default_rng(5)).items() if s != 2}
    judged = judge({"x": arm}, baseline, {}, {"x": ("diverged", "diverged in 1 of 5 runs")})["x"]
    assert judged.code == "diverged"
    assert judged.effect["seeds"] == [0, 1, 3, 4]


def test_controls_and_baseline_speak_for_themselves(baseline):
    control = judge_control(shifted(baseline, 0.1, np.random.default_rng(6)), baseline, 1234, None)
    assert "1,234 parameters of plain 1×1 convolutions give: +" in control.text
    assert control.effect["p_holm"] is None
    assert judge_baseline(None).code == "reference"
    assert judge_baseline(("diverged", "why")).text == "why"


def test_no_op_text_holds_the_spread_of_its_differences(baseline):
    judged = judge_no_op(shifted(baseline, 0.02, np.random.default_rng(7)), baseline, None)
    assert f"{np.std(judged.effect['per_seed'], ddof=1):.2f} points" in judged.text
    assert judged.code == "noise"
