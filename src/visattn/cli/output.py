"""Printing: JSON for programs, rich tables for people."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

console = Console()


def print_json(values: Any) -> None:
    """Print values as JSON on standard output."""
    sys.stdout.write(json.dumps(values, indent=1, ensure_ascii=False, default=str) + "\n")
