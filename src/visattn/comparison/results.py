"""From finished runs to what results.json holds; its form is `visattn.report.schema`."""

import base64
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from visattn.catalogue import spec
from visattn.comparison.executor import Outcome
from visattn.comparison.plan import Arm, Plan, Setting
from visattn.comparison.provenance import machine, versions
from visattn.comparison.run import explained_images
from visattn.comparison.store import Store
from visattn.comparison.survey import Survey
from visattn.comparison.verdicts import ALPHA, LEVEL, Judged, Right, judge, judge_baseline, judge_control, judge_no_op
from visattn.data import ImageData

Outcomes = dict[tuple[str, int], Outcome]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A comparison whose runs are done: what was planned, on what, where it is stored, and what came out."""

    plan: Plan
    setting: Setting
    surveyed: Survey
    images: ImageData
    store: Store
    costs: dict[str, Any]
    outcomes: Outcomes

    def folder(self, arm: Arm, seed: int) -> Path:
        """Return the folder of a run."""
        return self.store.run_folder(self.setting.run_spec(arm, seed))


def assemble(done: Finished, *, seconds: float) -> dict[str, Any]:
    """Return the results of a comparison, ready for results.json."""
    plan = done.plan
    judged = _judge(done)
    arms = [_arm(arm, done, judged[arm.id]) for arm in done.surveyed.arms]
    arms += [_refused(arm, reason) for arm, reason in done.surveyed.refused]
    return {
        "schema": "visattn.results/1",
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": seconds,
        "versions": versions(),
        "machine": machine(plan.device),
        "plan": {**plan.to_json(), "command": command(plan)},
        "data": _data(done.images),
        "summary": _summary(plan, arms),
        "arms": arms,
        "images": _pictures(done.images),
        "pareto": _pareto(arms),
    }


def command(plan: Plan) -> str:
    """Return the command line that repeats a plan."""
    mechanisms = ",".join(c.label for c in plan.mechanisms)
    seeds = (
        str(len(plan.seeds)) if plan.seeds == tuple(range(len(plan.seeds))) else ",".join(map(str, plan.seeds)) + ","
    )
    words = ["visattn compare", plan.data, "--model", plan.model, "--mechanisms", f'"{mechanisms}"']
    words += ["--seeds", seeds, "--epochs", str(plan.train.epochs)]
    default = Plan(mechanisms=plan.mechanisms)
    for option in ("size", "insertion", "where", "weights", "controls", "threads", "device", "on_bad"):
        if getattr(plan, option) != getattr(default, option):
            words += [f"--{option.replace('_', '-')}", str(getattr(plan, option))]
    for option, value in plan.train.to_json().items():
        if option != "epochs" and value != getattr(default.train, option):
            words += [f"--{option.replace('_', '-')}", str(value)]
    return " ".join(words + ["--pretrained"] * plan.pretrained)


def _right(arm: Arm, done: Finished) -> Right:
    """Return seed → which validation images the arm classified rightly, for its finished runs."""
    found = {}
    for seed in done.plan.seeds:
        result = done.outcomes[arm.id, seed].result
        if result and result["status"] == "ok":
            found[seed] = np.load(done.folder(arm, seed) / "predicted.npy") == done.images.val.labels
    return found


def _judge(done: Finished) -> dict[str, Judged]:
    surveyed = done.surveyed
    right = {arm.id: _right(arm, done) for arm in surveyed.arms}
    troubles = {arm.id: trouble for arm in surveyed.arms if (trouble := _trouble(arm, done))}
    judged = judge(
        {arm.id: right[arm.id] for arm in surveyed.arms if arm.kind == "mechanism"},
        right["baseline"],
        {name: right[control] for name, control in surveyed.control_of.items()},
        troubles,
    )
    for arm in surveyed.arms:
        if arm.kind == "baseline":
            judged[arm.id] = judge_baseline(troubles.get(arm.id))
        elif arm.kind == "no-op":
            judged[arm.id] = judge_no_op(right[arm.id], right["baseline"], troubles.get(arm.id))
        elif arm.kind == "control":
            params = surveyed.insertions[arm.id]["params_added"]
            judged[arm.id] = judge_control(right[arm.id], right["baseline"], params, troubles.get(arm.id))
    return judged


def _trouble(arm: Arm, done: Finished) -> tuple[str, str] | None:
    runs = {seed: done.outcomes[arm.id, seed] for seed in done.plan.seeds}
    diverged = [s for s, o in runs.items() if o.result and o.result["status"] == "diverged"]
    if diverged:
        reason = (runs[diverged[0]].result or {})["reason"]
        return "diverged", f"diverged in {len(diverged)} of {len(runs)} runs: {reason} (seed {diverged[0]})"
    failed = [s for s, o in runs.items() if o.result is None]
    if failed:
        return "failed", f"failed in {len(failed)} of {len(runs)} runs: {runs[failed[0]].reason} (seed {failed[0]})"
    return None


def _arm(arm: Arm, done: Finished, verdict: Judged) -> dict[str, Any]:
    runs = [_run(arm, seed, done) for seed in done.plan.seeds]
    trouble = _trouble(arm, done)
    insertion = done.surveyed.insertions.get(arm.id)
    return {
        "id": arm.id,
        "kind": arm.kind,
        "mechanism": arm.choice.name if arm.choice else None,
        "options": arm.choice.options if arm.choice else {},
        "role": spec(arm.choice.name).role if arm.choice else None,
        "status": trouble[0] if trouble else "ok",
        "reason": trouble[1] if trouble else None,
        "verdict": {"code": verdict.code, "text": verdict.text},
        "insertion": insertion,
        "runs": runs,
        "accuracy": _spread([r["accuracy"] for r in runs if r["accuracy"] is not None]),
        "effect": verdict.effect,
        "versus_control": verdict.versus_control,
        "cost": done.costs.get(arm.id),
        "explanations": _explanations(arm, done),
    }


def _refused(arm: Arm, reason: str) -> dict[str, Any]:
    assert arm.choice is not None
    return {
        "id": arm.id,
        "kind": arm.kind,
        "mechanism": arm.choice.name,
        "options": arm.choice.options,
        "role": None,
        "status": "refused",
        "reason": reason,
        "verdict": {"code": "refused", "text": f"cannot be plugged: {reason}"},
        **dict.fromkeys(("insertion", "accuracy", "effect", "versus_control", "cost")),
        "runs": [],
        "explanations": [],
    }


def _run(arm: Arm, seed: int, done: Finished) -> dict[str, Any]:
    outcome = done.outcomes[arm.id, seed]
    head = {"seed": seed, "run": done.folder(arm, seed).name}
    if outcome.result is None:
        curve: dict[str, list[float]] = {k: [] for k in ("epoch", "train_loss", "val_loss", "val_accuracy")}
        return {**head, "status": "failed", "accuracy": None, "seconds": None, "reason": outcome.reason, "curve": curve}
    names = ("status", "accuracy", "seconds", "reason", "curve")
    return head | {name: outcome.result[name] for name in names}


def _spread(values: list[float]) -> dict[str, Any] | None:
    if not values:
        return None
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "sd": sd, "per_seed": values}


def _explanations(arm: Arm, done: Finished) -> list[dict[str, Any]]:
    folder, images = done.folder(arm, done.plan.seeds[0]), done.images
    if not (folder / "heatmaps.npy").exists():
        return []
    predicted, maps = np.load(folder / "predicted.npy"), np.load(folder / "heatmaps.npy").astype(np.float64)
    return [
        {
            "image": position,
            "predicted": images.classes[predicted[index]],
            "correct": bool(predicted[index] == images.val.labels[index]),
            "heatmap": np.round(heatmap, 2).tolist(),
        }
        for position, (index, heatmap) in enumerate(zip(explained_images(images), maps, strict=True))
    ]


def _pictures(images: ImageData) -> list[dict[str, Any]]:
    from PIL import Image

    pictures = []
    for index in explained_images(images):
        pixels = np.asarray(images.val.images[index])
        file = io.BytesIO()
        Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(file, "PNG", optimize=True)
        label = images.classes[int(images.val.labels[index])]
        pictures.append({"index": index, "label": label, "png": base64.b64encode(file.getvalue()).decode()})
    return pictures


def _summary(plan: Plan, arms: list[dict[str, Any]]) -> dict[str, Any]:
    mechanisms = [a for a in arms if a["kind"] == "mechanism"]
    known = [a["effect"]["mde"] for a in mechanisms if a["effect"]]
    mde = float(np.median(known)) if known else None
    noise = next((a["effect"]["per_seed"] for a in arms if a["kind"] == "no-op" and a["effect"]), None)
    seeds = "With this seed" if len(plan.seeds) == 1 else f"With these {len(plan.seeds)} seeds"
    limit = (
        f"{seeds} a difference below {mde:.1f} points cannot be seen."
        if mde is not None
        else (f"{seeds} no statement about chance is possible: pass --seeds 5.")
    )
    return {
        "headline": _headline(mechanisms),
        "detail": limit,
        "mde": mde,
        "noise": float(np.std(noise, ddof=1)) if noise else None,
        "interval_level": LEVEL,
        "alpha": ALPHA,
        "seeds": len(plan.seeds),
    }


def _headline(mechanisms: list[dict[str, Any]]) -> str:
    """Say in one sentence which mechanisms help and which hurt."""
    by_code = {c: [a["id"] for a in mechanisms if a["verdict"]["code"] == c] for c in ("helps", "hurts")}
    said = [
        f"{', '.join(names)} {code if len(names) == 1 else code.removesuffix('s')}"
        for code, names in by_code.items()
        if names
    ]
    if not by_code["helps"]:
        one = len(mechanisms) == 1
        who = mechanisms[0]["id"] if one else f"any of the {len(mechanisms)} mechanisms"
        said.insert(0, f"no evidence that {who} helps")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _pareto(arms: list[dict[str, Any]]) -> list[str]:
    """Return the arms that no other arm beats in both accuracy and latency, fastest first."""
    points = [
        (a["cost"]["latency"]["ratio"], -a["accuracy"]["mean"], a["id"])
        for a in arms
        if a["status"] == "ok" and a["accuracy"] and a["cost"] and a["kind"] != "no-op"
    ]
    front, best = [], float("inf")
    for _, loss, name in sorted(points):
        if loss < best:
            front.append(name)
            best = loss
    return front


def _data(images: ImageData) -> dict[str, Any]:
    return {
        "name": images.name,
        "classes": list(images.classes),
        "train_images": len(images.train.labels),
        "val_images": len(images.val.labels),
        "image_shape": list(images.train.images.shape[1:]),
        "fingerprint": images.fingerprint,
        "skipped": [{"path": s.path, "reason": s.reason} for s in images.skipped],
        "duplicates": [list(pair) for pair in images.duplicates],
    }
