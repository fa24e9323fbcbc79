"""`visattn report FOLDER`: show results again."""

import json as json_
from pathlib import Path
from typing import Annotated

import typer

from visattn.cli.output import Json, console, print_json
from visattn.core.errors import RunError
from visattn.report import print_table, validate, write_html


def run(
    results: Annotated[Path, typer.Argument(help="A comparison's folder, or its results.json.")] = Path("visattn-runs"),
    out: Annotated[Path | None, typer.Option(help="Where to write the HTML; report.html beside the results.")] = None,
    json: Json = False,
) -> None:
    """Print the table of a finished comparison and write its HTML report again.

    Examples: `visattn report visattn-runs`, `visattn report old/results.json --out /tmp/report.html`
    """
    file = results / "results.json" if results.is_dir() else results
    try:
        values = json_.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"no results at {file}", hint="pass the --out folder of visattn compare") from error
    except ValueError as error:
        raise RunError(f"{file} is not JSON: {error}", hint="pass a results.json of visattn compare") from error
    validate(values)
    page = out or file.with_name("report.html")
    write_html(values, page)
    if json:
        print_json(values)
        return
    print_table(values, console)
    console.print(f"report: {page}", highlight=False)
