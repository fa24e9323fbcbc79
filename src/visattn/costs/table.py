"""Writing a cost as a table that people read."""

from collections.abc import Callable, Mapping
from typing import Any


def as_table(cost: Mapping[str, Any]) -> str:
    """Return one line per figure, with the baseline's and the ratio where there is a baseline.

    Args:
        cost: What `ModelCost.to_json` returns.
    """
    base = cost["baseline"]
    lines = [["", "model", "baseline", "ratio"]] if base else []
    for key, (label, value) in _ROWS.items():
        if cost[key] is not None:
            line = [label, value(cost[key])]
            lines.append(
                [*line, value(base[key]) if base[key] is not None else "", _ratio(cost, key)] if base else line
            )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    for side in ("model", "baseline") if base else ("model",):
        figures = cost if side == "model" else base
        if figures["uncounted"]:
            calls = ", ".join(f"{name} ×{count}" for name, count in figures["uncounted"].items())
            text.append(f"MACs of the {side} are a lower bound, they lack {calls}")
        if figures["no_peak_memory"]:
            text.append(f"no peak memory of the {side}: {figures['no_peak_memory']}")
    return "\n".join(text)


def quantity(value: float, unit: str = "", *, step: int = 1000) -> str:
    """Return a number with three figures and a prefix.

    >>> quantity(1814073344), quantity(25557032), quantity(512), quantity(78643200, "B", step=1024)
    ('1.81 G', '25.6 M', '512', '75.0 MiB')
    """
    size, prefixes = float(value), iter("kMGTP")
    prefix = ""
    while size >= step:
        size, prefix = size / step, next(prefixes)
    if not prefix:
        return f"{value:g} {unit}".rstrip()
    return f"{_three_figures(size)} {f'{prefix.upper()}i' if step == 1024 else prefix}{unit}"


def _three_figures(value: float) -> str:
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def _seconds(timing: Mapping[str, float]) -> str:
    return f"{_three_figures(1e3 * timing['seconds_median'])} ms"


def _bytes(value: float) -> str:
    return quantity(value, "B", step=1024)


_ROWS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "params": ("parameters", quantity),
    "macs": ("MACs", quantity),
    "latency": ("forward pass", _seconds),
    "train_step": ("training step", _seconds),
    "peak_memory": ("peak memory", _bytes),
}


def _ratio(cost: Mapping[str, Any], key: str) -> str:
    ratio = cost["ratios"][key]
    if ratio is None:
        return ""
    if key not in ("latency", "train_step"):
        return f"{ratio:.3f}"
    return f"{ratio:.2f} ({cost[key]['ratio_low']:.2f} to {cost[key]['ratio_high']:.2f})"
