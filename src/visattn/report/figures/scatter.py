"""Accuracy against latency, with the Pareto front and the labels that find room."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any
from xml.etree.ElementTree import Element

from visattn.report.figures.labels import Label, Spot, place_labels
from visattn.report.figures.scale import Scale, decimals, reach
from visattn.report.figures.svg import at, draw, percent, root, written
from visattn.report.numbers import plain, times
from visattn.report.verdicts import verdict_of

Arm = Mapping[str, Any]

# the narrowest plot of each layout in pixels: labels that fit there fit on every wider one
_LAYOUTS = {"narrow": (270, 340, 16), "wide": (560, 420, 28)}


def plotted(arms: Sequence[Arm]) -> list[Arm]:
    """Return the arms that have both an accuracy over all seeds and a latency."""
    return [a for a in arms if a["status"] == "ok" and a["accuracy"] and a["cost"] and a["cost"]["latency"]]


def scatter(results: Mapping[str, Any]) -> str | None:
    """Draw the `plotted` arms of a results record; None where there are fewer than two."""
    arms, mde = plotted(results["arms"]), results["summary"]["mde"]
    if len(arms) < 2:
        return None
    baseline = next((arm["accuracy"]["mean"] for arm in arms if arm["kind"] == "baseline"), None)
    x, y = _time_scale([_latency(arm) for arm in arms]), _accuracy_scale(arms, baseline, mde)
    front = _staircase(x, y, [arm for arm in arms if arm["id"] in results["pareto"]])
    svg = root(class_="plot-area", role="img", aria_labelledby="scatter-title")
    draw(svg, "title", "Accuracy against latency relative to the baseline, one mark per arm", id="scatter-title")
    if baseline is not None and mde:
        _band(svg, y, baseline, mde)
    _grid(svg, x, y)
    for (x1, y1), (x2, y2) in pairwise(front):
        draw(svg, "line", class_="front", x1=percent(x1), y1=percent(y1), x2=percent(x2), y2=percent(y2))
    ranks = [_rank(arm, results["pareto"]) for arm in arms]
    labels = {name: _labels(arms, ranks, x, y, front, *layout) for name, layout in _LAYOUTS.items()}
    # the most telling marks are drawn last, on top
    for i in sorted(range(len(arms)), key=lambda i: -ranks[i]):
        _point(svg, x, y, arms[i], {name: placed[i] for name, placed in labels.items()})
    return written(svg)


def _latency(arm: Arm) -> float:
    return float(arm["cost"]["latency"]["ratio"])


def _time_scale(ratios: Sequence[float]) -> Scale:
    fast, slow = min(ratios), max(ratios)
    if slow / fast > 3:
        room = (slow / fast) ** 0.08
        return Scale(low=fast / room, high=slow * room, log=True)
    room = 0.08 * max(slow - fast, 0.05)
    return Scale(low=fast - room, high=slow + room)


def _accuracy_scale(arms: Sequence[Arm], baseline: float | None, mde: float | None) -> Scale:
    """Return a scale that shows the whole ±MDE band, and that one arm far out does not flatten."""
    means = [arm["accuracy"]["mean"] for arm in arms]
    middle = median(means) if baseline is None else baseline
    floor = mde or 0.25
    limit = reach([abs(mean - middle) for mean in means], floor=max(4 * floor, 1.0))
    low = max(middle - limit, min(*means, middle - floor))
    high = min(middle + limit, max(*means, middle + floor))
    margin = 0.08 * (high - low)
    return Scale(low=max(low - margin, 0.0), high=min(high + margin, 100.0))


def _staircase(x: Scale, y: Scale, front: Sequence[Arm]) -> list[tuple[float, float]]:
    """Return the corners of the Pareto front: the best accuracy that a latency buys."""
    steps = sorted((x.place(_latency(arm)), 100 - y.place(arm["accuracy"]["mean"])) for arm in front)
    corners: list[tuple[float, float]] = []
    for place, level in steps:
        corners += [(place, corners[-1][1]), (place, level)] if corners else [(place, level)]
    return [*corners, (100.0, corners[-1][1])] if corners else []


def _grid(svg: Element, x: Scale, y: Scale) -> None:
    ticks = y.ticks(6)
    for tick in ticks:
        place = percent(100 - y.place(tick))
        draw(svg, "line", class_="grid", x1=0, x2="100%", y1=place, y2=place)
        draw(svg, "text", plain(tick, decimals(ticks)), x=0, dx=-8, y=place, dy="0.35em", text_anchor="end")
    ticks = x.ticks(7)
    for tick in ticks:
        place = percent(x.place(tick))
        draw(svg, "line", class_="tick", x1=place, x2=place, y1="100%", y2="100%", transform="translate(0 3)")
        draw(svg, "text", f"{plain(tick, decimals(ticks))}×", x=place, y="100%", dy=22, text_anchor="middle")
    draw(svg, "line", class_="base", x1=0, x2="100%", y1="100%", y2="100%")


def _band(svg: Element, y: Scale, accuracy: float, mde: float) -> None:
    top, bottom = (100 - y.place(accuracy + side * mde) for side in (1, -1))
    draw(svg, "rect", class_="band", x=0, width="100%", y=percent(top), height=percent(bottom - top))
    place = percent(100 - y.place(accuracy))
    draw(svg, "line", class_="zero", x1=0, x2="100%", y1=place, y2=place)


def _rank(arm: Arm, pareto: Sequence[str]) -> int:
    """Return 0 for the arms whose label matters most."""
    if arm["kind"] == "baseline" or arm["verdict"]["code"] in ("helps", "hurts"):
        return 0
    return 1 if arm["id"] in pareto else 2


def _labels(
    arms: Sequence[Arm],
    ranks: Sequence[int],
    x: Scale,
    y: Scale,
    front: Sequence[tuple[float, float]],
    width: int,
    height: int,
    characters: int,
) -> list[Label]:
    spots = [
        Spot(
            x=x.place(_latency(arm)) / 100 * width,
            y=height - y.place(arm["accuracy"]["mean"]) / 100 * height,
            text=shorten(arm["id"], characters),
            rank=rank,
        )
        for arm, rank in zip(arms, ranks, strict=True)
    ]
    corners = [(px / 100 * width, py / 100 * height) for px, py in front]
    return place_labels(spots, width, height, avoid=[*pairwise(corners)])


def shorten(name: str, characters: int) -> str:
    """Cut a long name in the middle, where options differ least from their ends.

    >>> shorten("control for cbam(reduction=8)", 16)
    'control…ction=8)'
    """
    if len(name) <= characters:
        return name
    head = (characters - 1) // 2
    return f"{name[:head]}…{name[head + 1 - characters :]}"


def _point(svg: Element, x: Scale, y: Scale, arm: Arm, labels: Mapping[str, Label]) -> None:
    accuracy, verdict = arm["accuracy"]["mean"], verdict_of(arm)
    spot = at(svg, x.place(_latency(arm)), 100 - y.place(accuracy))
    outside = "" if y.holds(accuracy) else ", off the scale"
    group = draw(spot, "g", class_=f"point v-{verdict.mark}", tabindex=0)
    draw(group, "title", f"{arm['id']}: {plain(accuracy)} %{outside}, latency {times(_latency(arm))}, {verdict.word}")
    for name, label in labels.items():
        _label(group, label, f"{name} {'' if label.shown else 'on-demand'}".strip())
    draw(group, "circle", class_="target", r=14)
    draw(group, "use", href=f"#icon-{verdict.mark}", x=-8, y=-8, width=16, height=16)
    if outside:
        draw(group, "path", class_="off-scale", d="M-4 12h8l-4 6z")


def _label(group: Element, label: Label, name: str) -> None:
    box = draw(group, "g", class_=f"label {name}")
    if math.hypot(label.dx, label.dy) > 16:
        draw(box, "line", class_="leader", x1=0, y1=0, x2=label.dx, y2=label.dy)
    draw(box, "text", label.text, x=label.dx, y=label.dy, dy="0.35em", text_anchor=label.anchor)
