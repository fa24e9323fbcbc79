"""Saying in words what the numbers of an arm allow one to say."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visattn.comparison.statistics import Effect, holm, minimum_detectable_effect, paired_effect

ALPHA = 0.05
LEVEL = 0.95

Right = dict[int, NDArray[np.bool_]]
Trouble = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """An arm's difference to the baseline and to its control, and the verdict in words."""

    effect: dict[str, Any] | None
    versus_control: dict[str, Any] | None
    code: str
    text: str


def pair(arm: Right, baseline: Right) -> Effect | None:
    """Estimate the difference over the seeds that both finished."""
    seeds = sorted(set(arm) & set(baseline))
    if not seeds:
        return None
    return paired_effect(np.stack([arm[s] for s in seeds]), np.stack([baseline[s] for s in seeds]), level=LEVEL)


def judge(
    mechanisms: dict[str, Right],
    baseline: Right,
    controls: dict[str, Right],
    troubles: dict[str, Trouble],
) -> dict[str, Judged]:
    """Judge every mechanism, with Holm's correction over all of them.

    Args:
        mechanisms: Arm id → seed → which test images were right.
        baseline: Seed → which test images were right.
        controls: Arm id → the same for the control that the mechanism is held against.
        troubles: Arm id → ("diverged" | "refused" | "failed", reason) for arms with something to report.
    """
    effects = {name: pair(right, baseline) for name, right in mechanisms.items()}
    known = [name for name, effect in effects.items() if effect]
    adjusted = dict(zip(known, holm([e.p for n in known if (e := effects[n])]), strict=True))
    judged = {}
    for name, effect in effects.items():
        versus = pair(mechanisms[name], controls[name]) if name in controls else None
        described = _describe(effect, baseline, mechanisms[name], tests=max(1, len(known)))
        if described:
            described["p_holm"] = adjusted[name]
        code, text = _verdict(described, versus, troubles.get(name), seeds=len(mechanisms[name]))
        judged[name] = Judged(effect=described, versus_control=_brief(versus), code=code, text=text)
    return judged


def judge_baseline(trouble: Trouble | None) -> Judged:
    """Say what the baseline is."""
    code, text = trouble or ("reference", "what the others are compared with")
    return Judged(effect=None, versus_control=None, code=code, text=text)


def judge_no_op(right: Right, baseline: Right, trouble: Trouble | None) -> Judged:
    """Say how far the same network strays from itself."""
    effect = pair(right, baseline)
    code, text = "noise", "the noise of training: unknown with one seed"
    if effect:
        spread = float(np.std(effect.per_seed, ddof=1))
        text = (
            f"the noise of training: the same network differs from itself by {spread:.2f} points (standard deviation)"
        )
    code, text = trouble or (code, text)
    return Judged(effect=_describe(effect, baseline, right, tests=1), versus_control=None, code=code, text=text)


def judge_control(right: Right, baseline: Right, params: int, trouble: Trouble | None) -> Judged:
    """Say what as many plain parameters give."""
    effect = pair(right, baseline)
    shown = f": {signed(effect.mean, effect.interval)}" if effect else ""
    code, text = trouble or ("reference", f"what {params:,} parameters of plain 1×1 convolutions give{shown}")
    return Judged(effect=_describe(effect, baseline, right, tests=1), versus_control=None, code=code, text=text)


def _describe(effect: Effect | None, baseline: Right, right: Right, *, tests: int) -> dict[str, Any] | None:
    if effect is None:
        return None
    values = asdict(effect)
    del values["standard_error"], values["degrees"]
    return {
        **values,
        "p_holm": None,
        "seeds": sorted(set(right) & set(baseline)),
        "mde": minimum_detectable_effect(effect, tests=tests, alpha=ALPHA),
    }


def _brief(effect: Effect | None) -> dict[str, Any] | None:
    return {"mean": effect.mean, "interval": effect.interval, "p": effect.p} if effect else None


def _verdict(
    effect: dict[str, Any] | None, versus: Effect | None, trouble: Trouble | None, *, seeds: int
) -> tuple[str, str]:
    if trouble:
        return trouble
    if effect is None:
        return "no_evidence", f"no statement is possible with {seeds} seed{'s' * (seeds != 1)}: two or more are needed"
    if effect["p_holm"] >= ALPHA:
        return "no_evidence", (
            f"no evidence that it helps: a true difference below {effect['mde']:.2f} points could not have been seen"
        )
    chance = f"p = {effect['p_holm']:.2g}"
    if effect["mean"] < 0:
        return "hurts", f"it hurts: {chance}"
    beyond = ""
    if versus is not None:
        more = versus.p < ALPHA and versus.mean > 0
        shown = signed(versus.mean, versus.interval)
        beyond = f", {'more' if more else 'not more'} than as many plain parameters give ({shown})"
    return "helps", f"it helps: {chance}{beyond}"


def signed(mean: float, interval: tuple[float, float]) -> str:
    """Write a difference with its interval.

    >>> signed(-0.5, (-1.0, 0.25))
    '−0.50 points [−1.00, +0.25]'
    """
    text = f"{mean:+.2f} points [{interval[0]:+.2f}, {interval[1]:+.2f}]"
    return text.replace("-", "−")
