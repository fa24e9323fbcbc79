"""The comparison from end to end: data, survey, costs, runs, statistics, results and report."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from visattn import __version__
from visattn.comparison.choices import Choice, parse_choices
from visattn.comparison.executor import KEEP_MEMORY, Job, Outcome, execute_locally
from visattn.comparison.plan import Plan, Setting, digest, file_digest
from visattn.comparison.progress import Display, Silent
from visattn.comparison.results import Finished, assemble
from visattn.comparison.store import Store
from visattn.comparison.survey import Survey, survey
from visattn.comparison.verdicts import signed
from visattn.core.errors import ConfigError, VisattnError
from visattn.data import ImageData
from visattn.data import load as load_data
from visattn.report import validate, write_html
from visattn.train import TrainConfig


@dataclass(frozen=True, slots=True)
class Comparison:
    """A finished comparison.

    Attributes:
        results: What results.json holds.
        folder: Where results.json, report.html and the runs are.
    """

    results: dict[str, Any]
    folder: Path

    @property
    def report(self) -> Path:
        """The report as one HTML file."""
        return self.folder / "report.html"

    def arm(self, name: str) -> dict[str, Any]:
        """Return one arm of the results.

        Raises:
            ConfigError: No arm has that id.
        """
        for arm in self.results["arms"]:
            if arm["id"] == name:
                return dict(arm)
        names = ", ".join(a["id"] for a in self.results["arms"])
        raise ConfigError(f"no arm {name!r}", hint=f"the arms are {names}")

    def __str__(self) -> str:
        summary = self.results["summary"]
        lines = []
        for arm in self.results["arms"]:
            effect = arm["effect"]
            shown = f"{signed(effect['mean'], effect['interval'])}, " if effect else ""
            lines.append(f"{arm['id']}: {shown}{arm['verdict']['text']}")
        return "\n".join([summary["headline"], summary["detail"], *lines])


def compare(
    data: str | Path = "digits",
    *,
    mechanisms: str | Sequence[str | Choice],
    model: str = "resnet8",
    seeds: int | Sequence[int] = 5,
    epochs: int = 12,
    out: str | Path = "visattn-runs",
    jobs: int | None = None,
    train: TrainConfig | None = None,
    display: Display | None = None,
    cache: str | Path | None = None,
    **plan_options: Any,
) -> Comparison:
    """Train a model with each mechanism and without, and say honestly whether any of them helps and what it costs.

    Runs that `out` already holds are not repeated; a comparison that was interrupted goes on where it was.

    Args:
        data: "digits", "shapes", a folder of images, or a folder with IDX files; see `visattn.data.load`.
        mechanisms: Names with options, such as "se,cbam(reduction=8)" or a list of them.
        model: A classifier of `visattn.zoo.backbone`.
        seeds: How many, or which; each arm is trained once with each.
        epochs: Passes over the training images; `train` holds the rest of the recipe.
        out: Folder for runs, results.json and report.html.
        jobs: Runs at the same time; None means as many as there are processors, or one on an accelerator.
        train: The recipe; `epochs` wins over its own.
        display: What shows the progress; nothing by default.
        cache: Folder for decoded images; None means the user's cache folder.
        **plan_options: Further fields of `visattn.comparison.Plan`: size, insertion, where, pretrained, weights,
            controls, threads, device, on_bad.

    Raises:
        VisattnError: The options, the data, the mechanisms or the folder do not allow a comparison.
    """
    recipe = train or TrainConfig()
    plan = Plan(
        data=str(data),
        model=model,
        mechanisms=parse_choices(mechanisms),
        seeds=tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
        train=TrainConfig(**{**recipe.to_json(), "epochs": epochs}),
        **plan_options,
    )
    return run_plan(plan, Path(out), jobs=jobs, display=display or Silent(), cache=Path(cache) if cache else None)


def run_plan(plan: Plan, out: Path, *, jobs: int | None, display: Display, cache: Path | None = None) -> Comparison:
    """Carry out a plan; see `compare`."""
    started = time.monotonic()
    store = Store(out)
    with store.locked():
        display.stage("reading the data")
        images = load_data(plan.data, size=plan.size, on_bad=plan.on_bad, cache=cache, progress=display.items)
        setting = make_setting(plan, images, cache)
        display.stage("building the arms")
        surveyed = survey(plan, setting)
        store.write("plan.json", {"visattn": __version__, "plan": plan.to_json()})
        display.stage("measuring the costs")
        costs = _costs(store, setting, surveyed, display)
        outcomes = _runs(store, plan, setting, surveyed, jobs or default_jobs(plan), display)
        done = Finished(
            plan=plan, setting=setting, surveyed=surveyed, images=images, store=store, costs=costs, outcomes=outcomes
        )
        results = assemble(done, seconds=time.monotonic() - started)
        validate(results)
        store.write("results.json", results)
        write_html(results, out / "report.html")
    display.finish()
    return Comparison(results, out)


def make_setting(plan: Plan, images: ImageData, cache: Path | None) -> Setting:
    """Resolve a plan against its data."""
    _, channels, height, width = images.train.images.shape
    if plan.weights and not plan.weights.is_file():
        raise ConfigError(f"no weights file at {plan.weights}", hint="pass --weights FILE")
    return Setting(
        model=plan.model,
        pretrained=plan.pretrained,
        weights=str(plan.weights.resolve()) if plan.weights else None,
        weights_digest=file_digest(plan.weights) if plan.weights else None,
        identity=plan.identity,
        where=plan.where,
        num_classes=len(images.classes),
        image_shape=(channels, height, width),
        fingerprint=images.fingerprint,
        train=plan.train.to_json(),
        threads=plan.threads,
        device=plan.device,
        data=plan.data,
        size=plan.size,
        on_bad=plan.on_bad,
        cache=str(cache) if cache else None,
    )


def default_jobs(plan: Plan) -> int:
    """Return how many runs go at the same time when nothing was said."""
    return max(1, (os.cpu_count() or 1) // plan.threads) if plan.device == "cpu" else 1


def _costs(store: Store, setting: Setting, surveyed: Survey, display: Display) -> dict[str, Any]:
    """Measure what the arms cost, or take what was measured for the very same arms."""
    message = {"kind": "costs", "setting": asdict(setting), "arms": [arm.to_json() for arm in surveyed.arms]}
    key = digest(message)
    stored = store.read("costs.json")
    if stored and stored.get("key") == key:
        return dict(stored["arms"])
    outcome = execute_locally([Job("costs", message)], workers=1, on_event=display.event)[0]
    if outcome.result is None:
        raise VisattnError(f"the costs cannot be measured: {outcome.reason}")
    store.write("costs.json", {"key": key, "arms": outcome.result})
    return outcome.result


def _runs(
    store: Store, plan: Plan, setting: Setting, surveyed: Survey, workers: int, display: Display
) -> dict[tuple[str, int], Outcome]:
    """Do the runs that are missing and return the outcome of every run, by arm id and seed."""
    outcomes: dict[tuple[str, int], Outcome] = {}
    missing: list[tuple[str, int]] = []
    jobs: list[Job] = []
    # seeds outside, arms inside: an interrupted comparison has whole seeds
    for seed in plan.seeds:
        for arm in surveyed.arms:
            spec = setting.run_spec(arm, seed)
            if stored := store.result(spec):
                outcomes[arm.id, seed] = Outcome(stored)
                continue
            message = {"kind": "run", "setting": asdict(setting), "arm": arm.to_json(), "seed": seed}
            message["folder"] = str(store.run_folder(spec))
            missing.append((arm.id, seed))
            jobs.append(Job(f"{arm.id}, seed {seed}", message))
    display.runs(todo=len(jobs), done=len(outcomes), epochs=plan.train.epochs)
    if jobs:
        done = execute_locally(jobs, workers=workers, on_event=display.event, environment=KEEP_MEMORY)
        outcomes |= dict(zip(missing, done, strict=True))
    return outcomes
