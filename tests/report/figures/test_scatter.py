import copy
from xml.etree.ElementTree import fromstring

import pytest

from visattn.report.figures.scatter import plotted, scatter, shorten


def points(drawing):
    """Return name → (x, y) in percent, and the node."""
    return {
        node[0].find("title").text.split(":")[0]: (float(node.get("x")[:-1]), float(node.get("y")[:-1]), node[0])
        for node in fromstring(drawing)
        if node.tag == "svg"
    }


def test_faster_is_left_and_more_accurate_is_up(make_results):
    results = make_results()
    arms = {arm["id"]: arm for arm in plotted(results["arms"])}
    places = points(scatter(results))
    assert set(places) == set(arms)
    by_time = sorted(arms, key=lambda name: arms[name]["cost"]["latency"]["ratio"])
    by_accuracy = sorted(arms, key=lambda name: arms[name]["accuracy"]["mean"])
    assert by_time == sorted(arms, key=lambda name: places[name][0])
    assert by_accuracy == sorted(arms, key=lambda name: -places[name][1])


def test_the_front_never_falls_and_passes_through_its_arms(make_results):
    results = make_results(mechanisms=15)
    lines = [node for node in fromstring(scatter(results)) if node.get("class") == "front"]
    corners = {(line.get(f"x{i}"), line.get(f"y{i}")) for line in lines for i in "12"}
    places = points(scatter(results))
    assert results["pareto"]
    for name in results["pareto"]:
        x, y, _ = places[name]
        assert any(abs(float(a[:-1]) - x) < 0.02 and abs(float(b[:-1]) - y) < 0.02 for a, b in corners)
    assert all(float(line.get("y2")[:-1]) <= float(line.get("y1")[:-1]) for line in lines)


def test_the_whole_band_of_what_cannot_be_seen_is_in_view(make_results):
    results = make_results(mechanisms=4, effects=(0.0,), broken=False)
    [band] = [node for node in fromstring(scatter(results)) if node.get("class") == "band"]
    top, height = float(band.get("y")[:-1]), float(band.get("height")[:-1])
    assert top > 1
    assert top + height < 99


def test_a_collapsed_arm_is_held_at_the_edge_and_says_so(make_results):
    results = copy.deepcopy(make_results(mechanisms=6, broken=False))
    results["arms"][-1]["accuracy"]["mean"] = 10.0
    name = results["arms"][-1]["id"]
    _, y, group = points(scatter(results))[name]
    assert y == 100
    assert "10.00 %, off the scale" in group.find("title").text


def test_very_slow_arms_get_a_logarithmic_axis(make_results):
    results = copy.deepcopy(make_results(mechanisms=6, broken=False))
    results["arms"][-1]["cost"]["latency"]["ratio"] = 100.0
    results["arms"][-2]["cost"]["latency"]["ratio"] = 10.0
    x = {name: place[0] for name, place in points(scatter(results)).items()}
    slow, middle = x[results["arms"][-1]["id"]], x[results["arms"][-2]["id"]]
    assert slow - middle == pytest.approx(middle - x["baseline"], abs=0.1)


def test_every_point_has_a_label_in_both_layouts(make_results):
    for *_, group in points(scatter(make_results(mechanisms=37))).values():
        assert {node.get("class").split()[1] for node in group.iter("g") if "label" in node.get("class")} == {
            "narrow",
            "wide",
        }


@pytest.mark.parametrize("options", [{"cost": False}, {"mechanisms": 4}], ids=str)
def test_too_little_to_plot_is_none(make_results, options):
    results = copy.deepcopy(make_results(**options))
    for arm in results["arms"][1:]:
        arm["cost"] = None
    assert scatter(results) is None


def test_short_names_stay_and_long_ones_keep_both_ends():
    assert shorten("se", 16) == "se"
    assert shorten("abcdefghi" * 3 + "=8)", 16) == "abcdefg…efghi=8)"
    assert len(shorten("y" * 99, 16)) == 16
