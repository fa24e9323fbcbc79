"""`visattn compare [DATA]`: does any of these mechanisms help, and at what cost?"""

from pathlib import Path
from typing import Annotated

import typer

from visattn.cli.output import Json, console, print_json
from visattn.comparison import Bars, Display, Plan, Silent, parse_choices, run_plan
from visattn.core.errors import ConfigError
from visattn.report import print_table
from visattn.train import TrainConfig

DEFAULT = "se,eca,cbam,bam,coordatt,gc,rfaconv,drconv"


def run(
    data: Annotated[
        str, typer.Argument(help="digits, shapes, a folder of images (ImageFolder), or a folder with IDX files.")
    ] = "digits",
    model: Annotated[str, typer.Option(help="A classifier; visattn list --models shows them.")] = "resnet8",
    mechanisms: Annotated[str, typer.Option(help="Names with options: se,cbam(reduction=8).")] = DEFAULT,
    seeds: Annotated[str, typer.Option(help="How many (5), or which (0,3,7).")] = "5",
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 12,
    out: Annotated[Path, typer.Option(help="Folder for runs, results.json and report.html.")] = Path("visattn-runs"),
    size: Annotated[int | None, typer.Option(help="Side of the images in pixels.", min=1)] = None,
    jobs: Annotated[int | None, typer.Option(help="Runs at the same time; as many as processors.", min=1)] = None,
    threads: Annotated[int, typer.Option(help="CPU threads of one run; part of the plan.", min=1)] = 1,
    controls: Annotated[str, typer.Option(help="Capacity controls: median (one), each, or none.")] = "median",
    insertion: Annotated[
        str, typer.Option(help="identity, published, or auto: identity with loaded weights, else published.")
    ] = "auto",
    where: Annotated[
        str | None, typer.Option(help="Where gates go: block_end, or module paths ('stages.2*bn2').")
    ] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Start from the library's weights.")] = False,
    weights: Annotated[Path | None, typer.Option(help="Start from a checkpoint of the plain model.")] = None,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 64,
    optimizer: Annotated[str, typer.Option(help="sgd or adamw.")] = "sgd",
    lr: Annotated[float | None, typer.Option(help="Peak rate; 0.1 from scratch, 0.01 with weights.")] = None,
    weight_decay: Annotated[float, typer.Option(help="Of kernels and matrices.")] = 5e-4,
    warmup: Annotated[float, typer.Option(help="Part of the steps over which the rate rises.")] = 0.1,
    label_smoothing: Annotated[float, typer.Option(help="Of the cross-entropy.")] = 0.0,
    crop_padding: Annotated[int | None, typer.Option(help="Random crops after padding; an eighth of the size.")] = None,
    flip: Annotated[bool | None, typer.Option(help="Horizontal flips; what suits the data.")] = None,
    clip: Annotated[float, typer.Option(help="Largest gradient norm; 0 for none.")] = 0.0,
    on_bad: Annotated[str, typer.Option(help="Unreadable images: fail or skip.")] = "fail",
    cache: Annotated[Path | None, typer.Option(help="Folder for decoded images; the user's cache folder.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps.")] = "cpu",
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Train a model with and without each mechanism and say whether any of them helps, and at what cost.

    Every arm has the same initial weights, data order, augmentation and number of steps for each seed. Beside the
    mechanisms there are a no-op (the noise of training) and a capacity control (as many plain parameters). The same
    command again goes on where it was stopped.

    Examples:
    `visattn compare`

    `visattn compare photos/ --model resnet18 --mechanisms "se,cbam(reduction=8)" --seeds 3 --size 128`

    `visattn compare shapes:classes=4 --mechanisms eca,gc --controls each --out runs/shapes`
    """
    train = TrainConfig(
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        lr=lr,
        weight_decay=weight_decay,
        warmup=warmup,
        label_smoothing=label_smoothing,
        crop_padding=crop_padding,
        flip=flip,
        clip=clip,
    )
    plan = Plan(
        data=data,
        size=size,
        model=model,
        mechanisms=parse_choices(mechanisms),
        seeds=read_seeds(seeds),
        train=train,
        insertion=insertion,
        where=where,
        pretrained=pretrained,
        weights=weights,
        controls=controls,
        threads=threads,
        device=device,
        on_bad=on_bad,
    )
    display: Display = Silent()
    if quiet or json:
        done = run_plan(plan, out, jobs=jobs, display=display, cache=cache)
    else:
        with Bars() as display:
            done = run_plan(plan, out, jobs=jobs, display=display, cache=cache)
    if json:
        print_json(done.results)
        return
    print_table(done.results, console)
    console.print(f"report: {done.report}", highlight=False)


def read_seeds(text: str) -> tuple[int, ...]:
    """Read "5" as the first five seeds, and "0,3,7" (or "3,") as these very seeds.

    Raises:
        ConfigError: It is neither.

    >>> read_seeds("3"), read_seeds("4,")
    ((0, 1, 2), (4,))
    """
    how = "pass how many (5) or which (0,3,7)"
    try:
        numbers = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"--seeds got {text!r}", hint=how) from None
    if "," in text:
        return numbers
    if not numbers or numbers[0] < 1:
        raise ConfigError(f"--seeds got {text!r}, expected at least 1", hint=how)
    return tuple(range(numbers[0]))
