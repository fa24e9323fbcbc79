"""`visattn cost MODEL`: what a model costs, plain and plugged."""

import copy
from typing import Annotated

import torch
import typer
from rich.console import Console

from visattn.cli.output import Json, console, print_json
from visattn.comparison import Choice, parse_choices
from visattn.core.errors import ConfigError
from visattn.costs import cost
from visattn.plug import plug_
from visattn.zoo import backbone


def run(
    model: Annotated[str, typer.Argument(help="A model; visattn list --models shows them.")],
    mechanism: Annotated[str | None, typer.Option(help="What to plug, such as cbam or 'se(reduction=8)'.")] = None,
    size: Annotated[int, typer.Option(help="Height and width of the images.", min=1)] = 224,
    batch_size: Annotated[int, typer.Option(help="Images at a time.", min=1)] = 1,
    rounds: Annotated[int, typer.Option(help="Repeats of each timing, taken in turn.", min=3)] = 15,
    identity: Annotated[bool, typer.Option(help="Plug so that the network starts as the plain one.")] = False,
    json: Json = False,
) -> None:
    """Measure parameters, MACs, latency, a training step and its peak memory.

    With `--mechanism` the plugged model is measured beside the plain one, in turn, in one process.

    Examples: `visattn cost resnet50`, `visattn cost resnet50 --mechanism cbam --size 224`
    """
    torch.manual_seed(0)
    plain = backbone(model, num_classes=1000)
    images = torch.randn(batch_size, 3, size, size)
    choice = None if mechanism is None else _one(mechanism)
    with Console(stderr=True).status(f"measuring {model}, {rounds} rounds of each timing"):
        if choice is None:
            measured = cost(plain, images, rounds=rounds)
        else:
            plugged = copy.deepcopy(plain)
            where = list(choice.where) if isinstance(choice.where, tuple) else choice.where
            receipt = plug_(plugged, choice.name, where=where, identity=identity, example=images, **choice.options)
            measured = cost(plugged, images, baseline=plain, rounds=rounds)
    if json:
        print_json(measured.to_json())
        return
    if choice is not None:
        typer.echo(f"{model} with {choice.label} at {len(receipt.sites)} sites, {size}×{size}, batch {batch_size}")
    console.print(str(measured), highlight=False, markup=False)


def _one(mechanism: str) -> Choice:
    choice, *more = parse_choices(mechanism)
    if more:
        raise ConfigError(f"--mechanism got {mechanism!r}, expected one mechanism", hint="visattn compare takes more")
    return choice
