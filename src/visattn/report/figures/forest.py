"""Differences to the baseline: one strip per arm, all on the same scale, around zero."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from visattn.report.figures.scale import Scale, decimals, reach
from visattn.report.figures.svg import at, draw, percent, root, written
from visattn.report.numbers import signed

_INTERVALS = ("interval", "seed_interval", "image_interval")


def forest_scale(arms: Sequence[Mapping[str, Any]], mde: float | None) -> Scale:
    """Return one scale for the strips of all arms; one far out, or unfinished, does not flatten the others.

    Args:
        arms: The arms of a results record.
        mde: Minimum detectable effect in points; the band of ± this size is always in view.
    """
    spans = [_span(arm["effect"]) for arm in arms if arm["effect"] and arm["status"] == "ok"]
    floor = 1.25 * (mde or 0.4)
    limit = reach([max(-low, high) for low, high in spans], floor)
    low = max(-limit, min([low for low, _ in spans] + [-floor]))
    high = min(limit, max([high for _, high in spans] + [floor]))
    margin = 0.04 * (high - low)
    return Scale(low=low - margin, high=high + margin)


def _span(effect: Mapping[str, Any]) -> tuple[float, float]:
    values = [effect["mean"], *effect["per_seed"]]
    values += [end for name in _INTERVALS for end in effect[name] or ()]
    return min(values), max(values)


def forest_strip(effect: Mapping[str, Any] | None, scale: Scale, mde: float | None) -> str:
    """Draw one arm: its intervals, its mean and its seeds, over the zero line and the ±MDE band.

    The thick line is the interval for new seeds and new images; below it, thin and solid for new seeds only, thin and
    dotted for new images only; below these, one dot per seed.
    """
    svg = root(class_="strip", aria_hidden="true")
    _backdrop(svg, scale, mde)
    if effect:
        _interval(svg, scale, effect["interval"], "both", -9)
        _interval(svg, scale, effect["seed_interval"], "by-seed", 0)
        _interval(svg, scale, effect["image_interval"], "by-image", 6)
        for value in effect["per_seed"]:
            _dot(svg, scale, value, "seed-dot", 16, 3.0)
        _dot(svg, scale, effect["mean"], "mean-dot", -9, 6.0)
    return written(svg)


def _backdrop(svg: Element, scale: Scale, mde: float | None) -> None:
    if mde:
        low, high = scale.place(-mde), scale.place(mde)
        draw(svg, "rect", class_="band", x=percent(low), width=percent(high - low), y=0, height="100%")
    zero = percent(scale.place(0.0))
    draw(svg, "line", class_="zero", x1=zero, x2=zero, y1=0, y2="100%")


def _interval(svg: Element, scale: Scale, ends: Sequence[float] | None, name: str, down: float) -> None:
    if ends is None:
        return
    low, high = (percent(scale.place(end)) for end in ends)
    draw(svg, "line", class_=name, x1=low, x2=high, y1="50%", y2="50%", transform=f"translate(0 {down})")
    for end in ends:
        if not scale.holds(end):
            _arrow(svg, scale, end, f"{name} tip", down, 5.0)


def _dot(svg: Element, scale: Scale, value: float, name: str, down: float, size: float) -> None:
    if scale.holds(value):
        place = percent(scale.place(value))
        draw(svg, "circle", class_=name, cx=place, cy="50%", r=size, transform=f"translate(0 {down})")
    else:
        _arrow(svg, scale, value, name, down, size)


def _arrow(svg: Element, scale: Scale, value: float, name: str, down: float, size: float) -> None:
    """Say at the edge of the scale that the value lies farther out."""
    back = -2 * size if value > scale.high else 2 * size
    path = f"M{back:g} {down - size:g}L0 {down:g}L{back:g} {down + size:g}z"
    draw(at(svg, scale.place(value), 50), "path", class_=name, d=path)


def forest_axis(scale: Scale) -> str:
    """Draw the numbers below, or above, the strips."""
    svg = root(class_="axis", aria_hidden="true")
    ticks = scale.ticks(8)
    digits = decimals(ticks)
    for tick in ticks:
        draw(
            svg, "text", signed(tick, digits), x=percent(scale.place(tick)), y="50%", dy="0.35em", text_anchor="middle"
        )
    return written(svg)
