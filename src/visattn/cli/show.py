"""`visattn show NAME`: what is known about one mechanism."""

import inspect
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from visattn.catalogue import spec
from visattn.cli.output import Json, console, print_json
from visattn.core.spec import Cost, Role, Spec


def run(
    name: Annotated[str, typer.Argument(help="A mechanism; visattn list shows them.")],
    channels: Annotated[int, typer.Option(help="Channels, for the cost.")] = 256,
    size: Annotated[int, typer.Option(help="Height and width, for the cost.")] = 56,
    json: Json = False,
) -> None:
    """Show a mechanism: paper, maths, shapes, options, cost at a size, and what differs from the paper.

    Examples: `visattn show cbam`, `visattn show rfaconv --channels 64 --size 28`
    """
    known = spec(name)
    cost = _cost(known, channels, size)
    if json:
        print_json(_facts(known, cost))
        return
    parts: list[Any] = [Text(known.summary), Text()]
    parts += [Text(f"    {line}", style="bold") for line in known.maths]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column()
    for key, value in _rows(known, cost, channels, size):
        grid.add_row(Text(key), Text(value))
    console.print(Panel(Group(*parts, Text(), grid), title=f"{known.name} · {known.role}", title_align="left"))


def _cost(known: Spec, channels: int, size: int) -> Cost:
    if known.role in {Role.CONV, Role.HEAD}:
        return known.cost(channels, channels, size, size)
    if known.role == Role.SEQUENCE:
        return known.cost(channels, channels, 1, size * size)
    return known.cost(channels, size, size)


def _rows(known: Spec, cost: Cost, channels: int, size: int) -> list[tuple[str, str]]:
    rows = [("paper", str(known.paper)), ("shapes", _shapes(known))]
    at = f"{channels} channels, {size}×{size}"
    rows.append((f"cost at {at}", f"{cost.params:,} parameters, {cost.macs:,} MACs per image"))
    if known.role == Role.CONV:
        plain = channels * channels * 9
        rows.append(("a plain 3×3 there", f"{plain:,} parameters, {plain * size * size:,} MACs per image"))
    defaults = _defaults(known)
    rows += [(f"{option}={defaults.get(option)!r}", meaning) for option, meaning in known.options.items()]
    rows += [(f"variant {variant!r}", meaning) for variant, meaning in known.variants.items()]
    if known.default_reason:
        rows.append(("why these defaults", known.default_reason))
    rows += [("differs" if i == 0 else "", f"• {text}") for i, text in enumerate(known.differs)]
    rows += [("official code" if i == 0 else "", f"{o.source} ({o.licence})") for i, o in enumerate(known.official)]
    return rows


def _shapes(known: Spec) -> str:
    if known.role == Role.GATE:
        return "(B, C, H, W) → (B, C, H, W)"
    if known.role == Role.CONV:
        return "(B, C_in, H, W) → as nn.Conv2d"
    if known.role == Role.GAZE:
        return "(B, C, H, W) → what was seen first, then where"
    if known.role == Role.SEQUENCE:
        return f"(B, L, Q), (B, N, M) → (B, L, {'Q' if 'heads' in known.options else 'M'}), (B, L, N)"
    inputs = "(B, C_in, H, W)" + (", (B, C_low, H, W)" if "low_channels" in known.options else "")
    return f"{inputs} → {', '.join(['(B, C_out, H, W)'] * len(known.loss_weights))}"


def _defaults(known: Spec) -> dict[str, Any]:
    return {n: p.default for n, p in inspect.signature(known.build).parameters.items()}


def _facts(known: Spec, cost: Cost) -> dict[str, Any]:
    defaults = _defaults(known)
    return {
        "name": known.name,
        "role": known.role,
        "family": known.family,
        "summary": known.summary,
        "maths": known.maths,
        "paper": str(known.paper),
        "options": {o: {"default": defaults.get(o), "meaning": m} for o, m in known.options.items()},
        "variants": dict(known.variants),
        "default_reason": known.default_reason,
        "differs": known.differs,
        "official": [{"source": o.source, "licence": o.licence} for o in known.official],
        "cost": {"params": cost.params, "macs": cost.macs},
    }
