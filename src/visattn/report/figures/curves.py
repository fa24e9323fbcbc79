"""Learning curves: the mean of every arm with its seeds behind it, on fluid axes."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any
from xml.etree.ElementTree import Element

from visattn.report.figures.scale import Scale, decimals
from visattn.report.figures.svg import draw, percent, root, written
from visattn.report.numbers import plain

METRICS = {"val_accuracy": "validation accuracy, %", "val_loss": "validation loss", "train_loss": "training loss"}
_POINTS = 60_000  # of all lines together, which keeps the largest page under a megabyte

Arm = Mapping[str, Any]
Line = list[tuple[float, float]]


def learning_curves(arms: Sequence[Arm], metric: str) -> str | None:
    """Draw one metric over the epochs, arm i in a group of class `arm-i`; None where no run has it.

    The vertical axis starts where the slowest sound arm stands after a quarter of the epochs, so that the end, which
    is what is compared, is not squeezed; what lies outside is cut off.
    """
    lines = [[line for run in arm["runs"] if (line := _line(run["curve"], metric))] for arm in arms]
    if not any(lines):
        return None
    means = [_mean(runs) for runs in lines]
    x, y = _scales(arms, lines, means, rising=metric == "val_accuracy")
    svg = root(class_="plot-area", role="img", aria_label=f"{METRICS[metric]} by epoch, one line per arm")
    _axes(svg, x, y)
    box = {"viewBox": "0 0 1000 1000", "preserveAspectRatio": "none", "width": "100%", "height": "100%"}
    inner = draw(svg, "svg", class_="lines", **box)
    stride = max(1, -(-sum(len(line) for runs in lines for line in runs) * len(METRICS) // _POINTS))
    for i in range(len(arms)):
        if lines[i]:
            group = draw(inner, "g", class_=f"arm-{i}")
            if len(lines[i]) > 1:
                draw(group, "path", class_="seed", d="".join(_path(line, x, y, stride) for line in lines[i]))
            draw(group, "path", class_="mean", d=_path(means[i], x, y, stride))
    return written(svg)


def _line(curve: Mapping[str, Any] | None, metric: str) -> Line:
    if curve is None:
        return []
    return [(e, v) for e, v in zip(curve["epoch"], curve[metric], strict=True) if v is not None]


def _mean(lines: Sequence[Line]) -> Line:
    at_epoch: dict[float, list[float]] = {}
    for line in lines:
        for epoch, value in line:
            at_epoch.setdefault(epoch, []).append(value)
    return [(epoch, fmean(values)) for epoch, values in sorted(at_epoch.items())]


def _scales(
    arms: Sequence[Arm], lines: Sequence[list[Line]], means: Sequence[Line], *, rising: bool
) -> tuple[Scale, Scale]:
    drawn = [i for i, mean in enumerate(means) if mean]
    sound = [i for i in drawn if arms[i]["status"] == "ok"] or drawn
    early = [means[i][len(means[i]) // 4][1] for i in sound]
    late = [value for i in sound for line in lines[i] for _, value in line[len(line) // 4 :]]
    low, high = (min(early), max(late)) if rising else (min(late), max(early))
    margin = 0.06 * ((high - low) or 1.0)
    epochs = [epoch for i in drawn for epoch, _ in means[i]]
    first, last = min(epochs), max(epochs)
    beside = 0.5 if first == last else 0.0
    return Scale(low=first - beside, high=last + beside), Scale(low=low - margin, high=high + margin)


def _axes(svg: Element, x: Scale, y: Scale) -> None:
    ticks = y.ticks(5)
    for tick in ticks:
        place = percent(100 - y.place(tick))
        draw(svg, "line", class_="grid", x1=0, x2="100%", y1=place, y2=place)
        draw(svg, "text", plain(tick, decimals(ticks)), x=0, dx=-8, y=place, dy="0.35em", text_anchor="end")
    for tick in x.ticks(6):
        if tick == round(tick):
            draw(svg, "text", f"{tick:g}", x=percent(x.place(tick)), y="100%", dy=22, text_anchor="middle")
    draw(svg, "line", class_="base", x1=0, x2="100%", y1="100%", y2="100%")


def _path(line: Line, x: Scale, y: Scale, stride: int) -> str:
    """Return the path of a line; a single point becomes a dot under a round line cap."""
    kept = line[::-stride][::-1]
    places = [f"{10 * x.place(e):.0f} {1000 - 1000 * (v - y.low) / (y.high - y.low):.0f}" for e, v in kept]
    return f"M{'L'.join(places)}" if len(places) > 1 else f"M{places[0]}h0.01"
