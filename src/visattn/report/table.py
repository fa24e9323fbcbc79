"""The comparison as a table in the terminal, as wide as the terminal allows."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from visattn.report.numbers import amount, interval, probability, signed, spread, times
from visattn.report.order import mechanisms, yardsticks
from visattn.report.verdicts import verdict_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Arm = Mapping[str, Any]

_GAP = 2  # one space of padding and one between columns


def _ratio(name: str) -> Callable[[Arm], str]:
    def write(arm: Arm) -> str:
        measured = arm["cost"] and arm["cost"][name]
        return times(measured["ratio"]) if measured else ""

    return write


def _of_effect(name: str, write: Callable[[Any], str]) -> Callable[[Arm], str]:
    return lambda arm: write(arm["effect"][name]) if arm["effect"] else ""


_COLUMNS: dict[str, Callable[[Arm], str]] = {
    "accuracy %": lambda arm: spread(arm["accuracy"]["mean"], arm["accuracy"]["sd"]) if arm["accuracy"] else "",
    "diff.": _of_effect("mean", signed),
    "interval": _of_effect("interval", interval),
    "p (Holm)": _of_effect("p_holm", probability),
    "latency": _ratio("latency"),
    "train step": _ratio("train_step"),
    "memory": _ratio("peak_memory"),
    "params +": lambda arm: amount(arm["cost"]["params_added"]) if arm["cost"] else "",
}
# what goes first where the terminal is narrow
_DISPENSABLE = ("memory", "params +", "train step", "p (Holm)", "latency", "interval")


def summary_table(results: Mapping[str, Any], width: int = 120) -> "Table":
    """Return one row per arm, without the columns that do not fit into `width` characters.

    Memory and parameters go first, then train step, p, latency and the interval; name, accuracy, difference and
    verdict always stay.

    Args:
        results: The content of a results.json.
        width: Width of the terminal in characters.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    compared_with = yardsticks(results)
    arms = compared_with + mechanisms(results)
    level = f"{results['summary']['interval_level']:.0%} interval"
    cells = {title: [write(arm) for arm in arms] for title, write in _COLUMNS.items()}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("arm", overflow="fold")
    shown = _fitting(cells, arms, width)
    for title in shown:
        table.add_column(level if title == "interval" else title, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for i, arm in enumerate(arms):
        verdict = verdict_of(arm)
        says = Text(f"{verdict.sign} {verdict.word}", style=verdict.style)
        row = [Text(cells[title][i]) for title in shown]
        table.add_row(Text(arm["id"]), *row, says, end_section=arm is compared_with[-1])
    return table


def _fitting(cells: Mapping[str, Sequence[str]], arms: Sequence[Arm], width: int) -> list[str]:
    """Return the columns that have something to say and fit beside the names and the verdicts."""
    widths = {title: max(map(len, [title, *column])) + _GAP for title, column in cells.items() if any(column)}
    verdicts = max(len(verdict_of(arm).word) for arm in arms) + 2
    names = min(max(len(arm["id"]) for arm in arms), width // 4) + _GAP
    for title in _DISPENSABLE:
        if names + verdicts + sum(widths.values()) > width:
            widths.pop(title, None)
    return list(widths)


def print_table(results: Mapping[str, Any], console: "Console") -> None:
    """Print the table of arms, why some have no result, and below it the headline.

    Args:
        results: The content of a results.json.
        console: Where to print; its width decides which columns are shown.
    """
    from rich.text import Text

    summary = results["summary"]
    console.print(summary_table(results, console.width))
    console.print()
    for arm in results["arms"]:
        if arm["reason"]:
            console.print(Text(f"{verdict_of(arm).sign} {arm['id']}: {arm['reason']}", style="dim"))
    console.print(Text(summary["headline"], style="bold"))
    console.print(Text(summary["detail"]))
    if summary["mde"] is not None:
        console.print(Text(f"Minimum detectable effect: {summary['mde']:.2f} points."))
