"""In which order arms are shown: what the mechanisms are compared with, then the mechanisms, the largest gain first."""

from collections.abc import Mapping
from typing import Any

Arm = Mapping[str, Any]


def yardsticks(results: Mapping[str, Any]) -> list[Arm]:
    """Return the baseline, then the no-op and the controls as stored."""
    arms = [arm for arm in results["arms"] if arm["kind"] != "mechanism"]
    return sorted(arms, key=lambda arm: arm["kind"] != "baseline")


def mechanisms(results: Mapping[str, Any]) -> list[Arm]:
    """Return the mechanisms, the largest gain first, and last those that did not finish."""
    arms = [arm for arm in results["arms"] if arm["kind"] == "mechanism"]
    return sorted(arms, key=lambda arm: (arm["status"] != "ok", -_gain(arm)))


def _gain(arm: Arm) -> float:
    """Return the difference to the baseline, or with a single seed the accuracy, which sorts alike."""
    known = arm["effect"] or arm["accuracy"]
    return float(known["mean"]) if known else float("-inf")
