import io

import pytest
from rich.console import Console

from visattn.report.numbers import plain
from visattn.report.table import print_table


def printed(results, width):
    file = io.StringIO()
    print_table(results, Console(file=file, width=width))
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 160])
@pytest.mark.parametrize("options", [{}, {"mechanisms": 20}, {"seeds": 1, "cost": False}], ids=str)
def test_every_arm_is_there_with_its_verdict_and_no_line_is_too_long(make_results, options, width):
    results = make_results(**options)
    text = printed(results, width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("◆ baseline", "□ noise", "◇ control", "× diverged", "! failed", "∅ refused", "○ no evidence"):
        assert word in text
    for arm in results["arms"]:
        assert arm["id"].split("(")[0] in text


def test_at_80_columns_the_interval_stays_and_costs_but_latency_go(make_results):
    header = printed(make_results(), 80).splitlines()[0]
    assert header.split() == ["arm", "accuracy", "%", "diff.", "95%", "interval", "latency", "verdict"]


def test_at_120_columns_everything_is_shown(make_results):
    header = printed(make_results(), 120).splitlines()[0]
    for title in ("diff.", "95% interval", "p (Holm)", "latency", "train step", "memory", "params +"):
        assert title in header


def test_columns_without_content_are_left_out(make_results):
    header = printed(make_results(seeds=1, cost=False), 120).splitlines()[0]
    assert header.split() == ["arm", "accuracy", "%", "verdict"]


def test_names_are_not_markup(make_results):
    results = make_results(mechanisms=1)
    results["arms"][3]["id"] = "[bold]se[/bold]"
    assert "[bold]se[/bold]" in printed(results, 120)


def test_numbers_reasons_and_headline_are_those_of_the_results(make_results):
    results = make_results()
    text = printed(results, 120)
    summary, se = results["summary"], results["arms"][3]
    assert se["id"] == "se"
    line = next(line for line in text.splitlines() if line.startswith("se "))
    assert plain(se["accuracy"]["mean"]) in line
    assert plain(se["effect"]["mean"]) in line
    assert f"{se['cost']['latency']['ratio']:.2f}×" in line
    assert summary["headline"] in text
    assert summary["detail"] in text
    assert f"Minimum detectable effect: {summary['mde']:.2f} points." in text
    for arm in results["arms"]:
        assert arm["reason"] is None or arm["reason"] in text
