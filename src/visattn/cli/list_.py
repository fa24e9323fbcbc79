"""`visattn list`: the mechanisms, or the models."""

import fnmatch
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from visattn.catalogue import list_mechanisms, spec
from visattn.cli.output import Json, console, print_json
from visattn.core.errors import UnknownNameError
from visattn.zoo import list_backbones


def run(
    role: Annotated[str | None, typer.Option(help="Only gate, conv, head, sequence or gaze.")] = None,
    family: Annotated[
        str | None, typer.Option(help="Only channel, spatial, mixed, context, conv, sequence or gaze.")
    ] = None,
    models: Annotated[bool, typer.Option("--models", help="List models instead of mechanisms.")] = False,
    pattern: Annotated[str, typer.Option(help="Only names like this, such as 'resnet*'.")] = "*",
    json: Json = False,
) -> None:
    """List the mechanisms, or the models that they can be plugged into.

    Examples: `visattn list --role conv`, `visattn list --models --pattern "*resnet18*"`
    """
    known = list_backbones() if models else list_mechanisms(role=role, family=family)
    names = [n for n in known if fnmatch.fnmatch(n, pattern)]
    if not names:
        raise UnknownNameError("nothing is called that", hint="visattn list shows everything")
    if models:
        print_json(names) if json else typer.echo("\n".join(names))
        return
    rows = [(s.name, str(s.role), s.family, str(s.paper.year), s.summary) for s in map(spec, names)]
    columns = ("name", "role", "family", "year", "summary")
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
