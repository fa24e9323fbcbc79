"""The commands in one application."""

from typing import Annotated

import typer

from visattn import __version__
from visattn.cli import compare, cost, list_, report, show

app = typer.Typer(
    name="visattn",
    help="Does an attention mechanism help my model on my data, and at what cost?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("compare")(compare.run)
app.command("list")(list_.run)
app.command("show")(show.run)
app.command("cost")(cost.run)
app.command("report")(report.run)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"visattn {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Does an attention mechanism help my model on my data, and at what cost?"""
