"""Synthetic results: runs are drawn at random, and every number above them is computed from the runs."""

import base64
import io
from collections.abc import Callable
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from sklearn.datasets import load_digits

NAMES = ["se", "eca", "cbam(reduction=8)", "coordatt", "simam", "bam", "triplet", "gc(pooling='att')", "ge(extent=0)"]
NAMES += [
    "srm",
    "fca(components=16)",
    "skconv(branches=2,reduction=16)",
    "acmix",
    "rfaconv",
    "nonlocal(form='gaussian')",
]
NAMES += ["a2(maps=64,attention_maps=64)", "pam", "cam", "drconv(regions=8)", "lct"]
REASONS = {
    "diverged": "diverged in 1 of the runs: the loss was nan in epoch 3 (seed 0)",
    "failed": "failed in every run: the machine ran out of memory",
    "refused": "cannot be plugged: it needs at least 8×8 features, and stages.2 has 4×4",
}
DIGITS = load_digits().images


class Synthetic:
    """Draws one results record; see `make`."""

    def __init__(self, seeds: int, epochs: int, classes: int, side: int, random: int) -> None:
        self.seeds, self.epochs, self.side = list(range(seeds)), epochs, side
        self.classes = [str(c) for c in range(10)] if classes == 10 else [f"class number {c}" for c in range(classes)]
        self.random = np.random.default_rng(random)
        self.common = self.random.normal(96.5, 0.5, seeds)

    def run(self, seed: int, accuracy: float, *, status: str = "ok") -> dict[str, Any]:
        steps = np.arange(1, self.epochs + 1)
        rise = 1 - np.exp(-7 * steps / self.epochs)
        curve = accuracy * rise / rise[-1] - self.random.exponential(2.0, self.epochs) * (1 - rise)
        curve = np.clip(curve, 0, 100)
        curve[-1] = accuracy
        loss = 2.3 * (1 - 0.95 * rise) + self.random.normal(0, 0.03, self.epochs)
        broken = status == "diverged"
        return {
            "seed": seed,
            "run": f"{self.random.integers(1 << 40):010x}",
            "status": status,
            "accuracy": None if broken else float(accuracy),
            "seconds": 4.2,
            "reason": "loss was nan in epoch 3" if broken else None,
            "curve": {
                "epoch": steps.tolist(),
                "train_loss": [None if broken and e > 2 else float(v) for e, v in enumerate(loss)],
                "val_loss": [None if broken and e > 2 else float(v * 1.1 + 0.05) for e, v in enumerate(loss)],
                "val_accuracy": [10.0 if broken and e > 2 else float(v) for e, v in enumerate(curve)],
            },
        }

    def arm(self, name: str, kind: str, *, effect: float = 0.0, status: str = "ok", **more: Any) -> dict[str, Any]:
        runs = []
        if status not in ("refused", "failed"):
            own = 0.0 if kind == "baseline" else self.random.normal(effect, 0.3, len(self.seeds))
            values = np.minimum(self.common + own, 99.9).round(3)
            runs = [self.run(s, v, status=status if s == 0 else "ok") for s, v in zip(self.seeds, values, strict=True)]
        done = [r["accuracy"] for r in runs if r["accuracy"] is not None]
        return {
            "id": name,
            "kind": kind,
            "mechanism": name.partition("(")[0] if kind == "mechanism" else None,
            "options": {},
            "role": "gate" if kind == "mechanism" else None,
            "status": status,
            "reason": None if status == "ok" else REASONS[status],
            "insertion": None if kind == "baseline" or status == "refused" else self.insertion(),
            "runs": runs,
            "accuracy": self.accuracy(runs) if done else None,
            "effect": self.effect(runs) if len(done) > 1 and kind != "baseline" else None,
            "versus_control": None,
            "cost": self.cost(kind) if status != "refused" else None,
            "explanations": [],
            "verdict": {"code": "reference", "text": "the reference"},
            **more,
        }

    def accuracy(self, runs: list[dict[str, Any]]) -> dict[str, Any]:
        values = [r["accuracy"] for r in runs]
        done = [v for v in values if v is not None]
        return {"mean": fmean(done), "sd": stdev(done) if len(done) > 1 else None, "per_seed": values}

    def effect(self, runs: list[dict[str, Any]]) -> dict[str, Any]:
        pairs = zip(runs, self.common.round(3), strict=True)
        values = {r["seed"]: float(r["accuracy"] - b) for r, b in pairs if r["accuracy"] is not None}
        mean, n, by_image = fmean(values.values()), len(values), 0.3
        error = stdev(values.values()) / n**0.5
        t, both = stats.t.ppf(0.975, n - 1), float(np.hypot(error, by_image))
        return {
            "mean": mean,
            "per_seed": list(values.values()),
            "seeds": list(values),
            "image_interval": [mean - 1.96 * by_image, mean + 1.96 * by_image],
            "seed_interval": [mean - t * error, mean + t * error],
            "interval": [mean - t * both, mean + t * both],
            "p": float(2 * stats.t.sf(abs(mean) / both, n - 1)),
            "p_holm": None,
            "mde": float((t + stats.t.ppf(0.8, n - 1)) * both),
        }

    def insertion(self) -> dict[str, Any]:
        sites = [{"path": f"stages.{s}.{b}.bn2", "how": "gate"} for s in range(3) for b in range(2)]
        return {
            "sites": sites,
            "identity": False,
            "max_difference": float(self.random.exponential(0.1)),
            "params_added": 1234,
            "tensors_kept": 40,
            "tensors_total": 40,
        }

    def cost(self, kind: str) -> dict[str, Any]:
        def time(spread: float) -> dict[str, Any]:
            ratio = 1.0 if kind == "baseline" else 1.0 + self.random.exponential(spread)
            ends = {"ratio_low": ratio * 0.97, "ratio_high": ratio * 1.04, "ratio_min": ratio * 0.99}
            return {"seconds": 0.002 * ratio, "ratio": ratio, **ends, "batch_size": 1}

        added = 0 if kind == "baseline" else int(self.random.integers(10, 40_000))
        return {
            "params": 77_754 + added,
            "params_added": added,
            "macs": 3_000_000 + added,
            "macs_added": added,
            "uncounted": {"aten.grid_sampler_2d": 2} if added > 30_000 else {},
            "latency": time(0.3),
            "train_step": time(0.25),
            "peak_memory": None if added > 35_000 else {"bytes": 12_345_678, "ratio": 1.0 + added / 1e5},
        }

    def picture(self, position: int) -> dict[str, Any]:
        digit = Image.fromarray((DIGITS[position] * 15.9).astype(np.uint8))
        pixels = digit.resize((self.side, self.side), Image.Resampling.BICUBIC)
        stored = io.BytesIO()
        pixels.save(stored, format="PNG")
        label = self.classes[position % len(self.classes)]
        return {"index": 17 * position, "label": label, "png": base64.b64encode(stored.getvalue()).decode()}

    def look(self, position: int) -> dict[str, Any]:
        y, x = np.mgrid[0:16, 0:16] / 16
        at_x, at_y = 0.3 + 0.07 * position + self.random.normal(0, 0.1), 0.5 + self.random.normal(0, 0.1)
        heat = np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / 0.04)
        right = bool(self.random.random() < 0.8)
        predicted = self.classes[(position + (not right)) % len(self.classes)]
        return {"image": position, "predicted": predicted, "correct": right, "heatmap": heat.round(3).tolist()}


def judge(arms: list[dict[str, Any]], alpha: float = 0.05) -> None:
    """Set Holm's p-values and every verdict."""
    tested = [arm for arm in arms if arm["effect"] and arm["kind"] == "mechanism"]
    highest = 0.0
    for rank, arm in enumerate(sorted(tested, key=lambda arm: arm["effect"]["p"])):
        highest = max(highest, min(1.0, (len(tested) - rank) * arm["effect"]["p"]))
        arm["effect"]["p_holm"] = highest
    for arm in arms:
        code, text = say(arm, alpha)
        arm["verdict"] = {"code": code, "text": text}


def say(arm: dict[str, Any], alpha: float) -> tuple[str, str]:
    effect = arm["effect"]
    if arm["status"] != "ok":
        return arm["status"], arm["reason"]
    if arm["kind"] != "mechanism":
        return ("noise", "the noise of training") if arm["kind"] == "no-op" else ("reference", "what others give")
    if effect is None:
        return "no_evidence", "no statement is possible with 1 seed: two or more are needed"
    shown = f"{effect['mean']:+.2f} points [{effect['interval'][0]:+.2f}, {effect['interval'][1]:+.2f}]"
    if effect["p_holm"] >= alpha:
        floor = f"a true difference below {effect['mde']:.2f} could not have been seen"
        return "no_evidence", f"no evidence that it helps: {shown}; {floor}"
    code = "helps" if effect["mean"] > 0 else "hurts"
    return code, f"it {code}: {shown}, p = {effect['p_holm']:.2g}"


def make(
    mechanisms: int = 8,
    seeds: int = 5,
    *,
    epochs: int = 12,
    classes: int = 10,
    images: int = 6,
    side: int = 32,
    cost: bool = True,
    broken: bool = True,
    effects: tuple[float, ...] = (1.9, -2.6, 0.0, 0.1, -0.2, 0.3),
    random: int = 0,
) -> dict[str, Any]:
    """Draw a complete record with a baseline, a no-op, a control and `mechanisms` mechanisms.

    `broken` makes the last three mechanisms diverge, fail and be refused.
    """
    draw = Synthetic(seeds, epochs, classes, side, random)
    names = [NAMES[i] if i < len(NAMES) else f"mechanism_{i}(option={i})" for i in range(mechanisms)]
    states = ["ok"] * mechanisms
    if broken and mechanisms > 3:
        states[-3:] = ["diverged", "failed", "refused"]
    arms = [draw.arm("baseline", "baseline"), draw.arm("no-op", "no-op"), draw.arm("control for se", "control")]
    arms += [
        draw.arm(name, "mechanism", effect=effects[i % len(effects)], status=state)
        for i, (name, state) in enumerate(zip(names, states, strict=True))
    ]
    judge(arms)
    pictures = [draw.picture(i) for i in range(images)]
    for arm in arms:
        if arm["accuracy"]:
            arm["explanations"] = [draw.look(i) for i in range(images)]
        if not cost:
            arm["cost"] = None
        if arm["id"] == "se" and arm["effect"] and arms[2]["effect"]:
            gap = arm["effect"]["mean"] - arms[2]["effect"]["mean"]
            arm["versus_control"] = {"mean": gap, "interval": [gap - 0.7, gap + 0.7], "p": 0.2}
    return record(draw, names, arms, pictures)


def record(
    draw: Synthetic, names: list[str], arms: list[dict[str, Any]], pictures: list[dict[str, Any]]
) -> dict[str, Any]:
    found = [a["effect"]["mde"] for a in arms if a["kind"] == "mechanism" and a["effect"] and a["effect"]["mde"]]
    helps = sum(a["verdict"]["code"] == "helps" for a in arms)
    noop = arms[1]["effect"]["per_seed"] if arms[1]["effect"] else []
    mde = float(np.median(found)) if found else None
    return {
        "schema": "visattn.results/1",
        "created": "2026-11-20T10:00:00Z",
        "seconds": 301.2,
        "versions": {"visattn": "0.1.0", "python": "3.11.7", "torch": "2.15.0", "numpy": "2.4.6", "scipy": "1.16.0"},
        "machine": {"cpu": "Sixteen Core Example", "cores": 2, "memory_gib": 23.4, "device": "cpu", "os": "Linux 6.1"},
        "plan": {
            "data": "digits",
            "model": "resnet_tiny",
            "mechanisms": names,
            "seeds": draw.seeds,
            "epochs": draw.epochs,
            "insertion": "published",
            "where": None,
            "train": {"batch_size": 64, "lr": 0.1, "nesterov": True},
            "threads": 1,
            "command": f"visattn compare --model resnet_tiny --data digits --mechanisms {','.join(names)}",
        },
        "data": {
            "name": "digits",
            "classes": draw.classes,
            "train_images": 1257,
            "val_images": 540,
            "image_shape": [3, draw.side, draw.side],
            "fingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "skipped": [{"path": "a/b.jpg", "reason": "truncated"}],
            "duplicates": [["train/a/1.jpg", "val/a/2.jpg"]],
        },
        "summary": {
            "headline": f"{helps} of {len(names)} mechanisms help."
            if helps
            else f"No evidence that any of the {len(names)} mechanisms helps.",
            "detail": f"With these {len(draw.seeds)} seeds a difference below {mde:.1f} points cannot be seen."
            if mde
            else "One seed shows nothing about new seeds.",
            "mde": mde,
            "noise": stdev(noop) if len(noop) > 1 else None,
            "interval_level": 0.95,
            "alpha": 0.05,
            "seeds": len(draw.seeds),
        },
        "arms": arms,
        "images": pictures,
        "pareto": front(arms),
    }


def front(arms: list[dict[str, Any]]) -> list[str]:
    """Return the arms that no other beats in both accuracy and latency."""
    points = [
        (a["accuracy"]["mean"], -a["cost"]["latency"]["ratio"], a["id"])
        for a in arms
        if a["status"] == "ok" and a["cost"]
    ]
    return [c for x, y, c in points if not any(p >= x and q >= y and (p, q) != (x, y) for p, q, _ in points)]


@pytest.fixture(scope="session")
def make_results() -> Callable[..., dict[str, Any]]:
    return make
