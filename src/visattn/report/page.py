"""The report as one HTML file that needs nothing else: no network, no fonts, no script to be readable."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visattn.core.errors import RunError
from visattn.report import figures, numbers
from visattn.report.order import mechanisms, yardsticks
from visattn.report.schema import validate
from visattn.report.verdicts import VERDICTS, Verdict, verdict_of

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_STYLES = ("page.css", "verdicts.css", "figures.css", "tables.css")
_COLOURS = 7  # of the palette in figures.css; further arms repeat them with another dash
_DASHES = ("none", "7 3", "2 3", "9 3 2 3", "14 4", "5 2 1 2 1 2")
_SHOWN = 8  # learning curves drawn before the reader chooses


def write_html(results: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the report of a comparison as one self-contained HTML file, whole or not at all.

    Args:
        results: The content of a results.json.
        path: Where the file goes; an older one there is replaced.

    Raises:
        RunError: `results` is not a complete record, see `validate`, or the file cannot be written.
    """
    page = render_html(results)
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_text(page, encoding="utf-8", newline="\n")
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"the report cannot be written to {target}: {error}", hint="choose another place") from error


def render_html(results: Mapping[str, Any]) -> str:
    """Return the report as text; `write_html` says more.

    Raises:
        RunError: `results` is not a complete record, see `validate`.
    """
    validate(results)
    templates = _environment()
    style = "\n".join([*(_source(templates, name) for name in _STYLES), _arm_style(results), _picture_style(results)])
    script = _source(templates, "report.js")
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
    return templates.get_template("report.html.j2").render(
        **_context(results),
        style=style,
        script=script,
        policy=policy + "base-uri 'none'; form-action 'none'",
    )


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("visattn.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in (
        numbers.plain,
        numbers.signed,
        numbers.interval,
        numbers.spread,
        numbers.times,
        numbers.probability,
        numbers.amount,
        numbers.duration,
    ):
        templates.filters[write.__name__] = write
    templates.filters["breakable"] = _breakable
    templates.filters["mark"] = lambda arm: verdict_of(arm).mark
    return templates


def _source(templates: "Environment", name: str) -> str:
    assert templates.loader is not None
    return templates.loader.get_source(templates, name)[0]


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _arm_style(results: Mapping[str, Any]) -> str:
    """Return the rules that give each arm its line, and that let the legend switch it without a script."""
    rules = []
    for i in range(len(results["arms"])):
        colour = 0 if i == 0 else (i - 1) % _COLOURS + 1
        dash = _DASHES[max(0, i - 1) // _COLOURS % len(_DASHES)]
        rules += [
            f".arm-{i}{{--arm:var(--arm-{colour});--dash:{dash}}}",
            f"#curves:has(#show-{i}:not(:checked)) .lines .arm-{i}{{display:none}}",
            f"#curves:has(.key.arm-{i}:is(:hover,:focus-within)) .lines g:not(.arm-{i}){{opacity:.15}}",
        ]
    return "\n".join(rules)


def _picture_style(results: Mapping[str, Any]) -> str:
    return "\n".join(
        f".picture-{i}{{background-image:url(data:image/png;base64,{image['png']})}}"
        for i, image in enumerate(results["images"])
    )


def _context(results: Mapping[str, Any]) -> dict[str, Any]:
    arms, mde = yardsticks(results) + mechanisms(results), results["summary"]["mde"]
    scale = figures.forest_scale(arms, mde)
    return {
        "results": results,
        "arms": arms,
        "mechanisms": mechanisms(results),
        "yardsticks": yardsticks(results),
        "verdicts": VERDICTS,
        "verdict_of": verdict_of,
        "tally": _tally(arms),
        "axis": figures.forest_axis(scale) if any(arm["effect"] for arm in arms) else None,
        "strip": lambda arm: figures.forest_strip(arm["effect"], scale, mde),
        "scatter": figures.scatter(results),
        "plotted": figures.plotted(arms),
        "curves": {
            metric: drawing
            for metric in figures.METRICS
            if (drawing := figures.learning_curves(arms, metric)) is not None
        },
        "metrics": figures.METRICS,
        "shown": _shown(arms),
        "heatmap_uri": figures.heatmap_uri,
        "plan": _flat(results["plan"]),
        "seeds": sorted({run["seed"] for arm in arms for run in arm["runs"]}),
        "runs": sum(len(arm["runs"]) for arm in arms),
    }


def _tally(arms: Sequence[Mapping[str, Any]]) -> list[tuple[Verdict, int]]:
    """Count the mechanisms per verdict, in the order of `VERDICTS`."""
    marks = [verdict_of(arm).mark for arm in arms if arm["kind"] == "mechanism"]
    always = ("helps", "hurts", "no_evidence")
    return [(verdict, marks.count(mark)) for mark, verdict in VERDICTS.items() if mark in marks or mark in always]


def _shown(arms: Sequence[Mapping[str, Any]]) -> set[int]:
    """Choose the curves to start with: the baseline, then the mechanisms as ordered, then the other yardsticks."""
    rank = {"baseline": 0, "mechanism": 1}
    drawn = [i for i, arm in enumerate(arms) if any(run["curve"] for run in arm["runs"])]
    return set(sorted(drawn, key=lambda i: rank.get(arms[i]["kind"], 2))[:_SHOWN])


def _breakable(name: str) -> "Markup":
    """Let a long name break after its brackets and commas rather than anywhere."""
    from markupsafe import Markup, escape

    return Markup(str(escape(name)).replace("(", "(<wbr>").replace(",", ",<wbr>").replace("_", "_<wbr>"))


def _flat(plan: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return the plan as lines of key and value; the command is shown by itself."""
    lines = []
    for key, value in plan.items():
        if isinstance(value, Mapping):
            lines += _flat(value, f"{prefix}{key}.")
        elif prefix + key != "command":
            lines.append((prefix + key, _written(value)))
    return lines


def _written(value: Any) -> str:
    if value is None:
        return numbers.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_written, value)) if isinstance(value, list | tuple) else str(value)
