import copy
import re
from xml.etree.ElementTree import fromstring

import pytest

from visattn.report.figures.curves import METRICS, learning_curves


def groups(drawing):
    return {node.get("class"): node for node in fromstring(drawing).iter("g")}


def corners(path):
    return [tuple(map(int, pair)) for pair in re.findall(r"[ML](-?\d+) (-?\d+)", path.get("d"))]


@pytest.mark.parametrize("metric", METRICS)
def test_every_arm_that_ran_has_its_mean_and_its_seeds(make_results, metric):
    results = make_results(seeds=4)
    drawn = groups(learning_curves(results["arms"], metric))
    for i, arm in enumerate(results["arms"]):
        assert (f"arm-{i}" in drawn) == bool(arm["runs"])
        if arm["runs"]:
            seeds, mean = drawn[f"arm-{i}"]
            assert seeds.get("d").count("M") == 4
            assert len(corners(mean)) == 12


def test_the_mean_lies_between_the_seeds(make_results):
    arm = make_results(mechanisms=1, seeds=3)["arms"][3]
    seeds, mean = groups(learning_curves([arm], "val_accuracy"))["arm-0"]
    ends = [y for x, y in corners(seeds) if x == 1000]
    assert len(ends) == 3
    [height] = [y for x, y in corners(mean) if x == 1000]
    assert min(ends) < height < max(ends)
    assert height == pytest.approx(sum(ends) / 3, abs=1)


def test_higher_values_are_drawn_higher(make_results):
    arm = make_results(mechanisms=1, seeds=2)["arms"][3]
    *_, rise = groups(learning_curves([arm], "val_accuracy"))["arm-0"]
    *_, fall = groups(learning_curves([arm], "train_loss"))["arm-0"]
    assert corners(rise)[0][1] > corners(rise)[-1][1]
    assert corners(fall)[0][1] < corners(fall)[-1][1]


def test_a_diverged_arm_does_not_set_the_scale(make_results):
    arms = copy.deepcopy(make_results(mechanisms=4)["arms"])
    assert arms[4]["status"] == "diverged"
    before = fromstring(learning_curves(arms, "train_loss")).findall("text")
    for run in arms[4]["runs"]:
        run["curve"]["train_loss"] = [1e9 if v is not None else None for v in run["curve"]["train_loss"]]
    after = fromstring(learning_curves(arms, "train_loss")).findall("text")
    assert [node.text for node in before] == [node.text for node in after]


def test_one_epoch_is_a_dot(make_results):
    arm = make_results(mechanisms=1, seeds=1, epochs=1)["arms"][3]
    [mean] = groups(learning_curves([arm], "val_accuracy"))["arm-0"]
    assert re.fullmatch(r"M500 \d+h0.01", mean.get("d"))


def test_many_points_are_thinned_but_the_last_stays(make_results):
    results = make_results(mechanisms=37, seeds=30, epochs=200)
    text = learning_curves(results["arms"], "val_accuracy")
    assert len(text) < 400_000
    *_, mean = groups(text)["arm-0"]
    assert corners(mean)[-1][0] == 1000


def test_without_curves_there_is_no_drawing(make_results):
    arms = copy.deepcopy(make_results(mechanisms=1, seeds=1)["arms"])
    for arm in arms:
        for run in arm["runs"]:
            run["curve"] = None
    assert learning_curves(arms, "val_accuracy") is None
