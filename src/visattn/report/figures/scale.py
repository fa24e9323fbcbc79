"""From values to places: linear and logarithmic scales with round ticks."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Maps values between `low` and `high` to 0-100 %; what lies outside is held at the edge."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return the place of a value in percent.

        >>> Scale(low=-1.0, high=3.0).place(0.0), Scale(low=1.0, high=100.0, log=True).place(10.0)
        (25.0, 50.0)
        """
        low, high, v = (math.log(e) if self.log else e for e in (self.low, self.high, self.hold(value)))
        return 100 * (v - low) / (high - low)

    def hold(self, value: float) -> float:
        """Return the value, or the nearer end of the scale."""
        return min(max(value, self.low), self.high)

    def holds(self, value: float) -> bool:
        """Tell whether the value lies on the scale."""
        return self.low <= value <= self.high

    def ticks(self, count: int = 5) -> list[float]:
        """Return about `count` round values on the scale.

        >>> Scale(low=-0.62, high=1.1).ticks(), Scale(low=0.9, high=12.0, log=True).ticks()
        ([-0.5, 0.0, 0.5, 1.0], [1.0, 2.0, 3.0, 5.0, 10.0])
        """
        if self.log and self.high / self.low > 3:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            sets = [[float(f * 10.0**p) for p in powers for f in steps] for steps in ((1, 2, 3, 5), (1, 2, 5), (1,))]
            shown = [[tick for tick in ticks if self.holds(tick)] for ticks in sets]
            return next((ticks for ticks in shown if len(ticks) <= count + 2), shown[-1])
        step = round_step((self.high - self.low) / count)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(k * step, 10) + 0.0 for k in range(first, last + 1)]


def round_step(step: float) -> float:
    """Return the smallest of 1, 2 or 5 times a power of ten that is not below `step`.

    >>> round_step(0.3), round_step(7)
    (0.5, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(step))
    return next(f * power for f in (1.0, 2.0, 5.0, 10.0) if f * power >= step * (1 - 1e-9))


def decimals(ticks: Sequence[float]) -> int:
    """Return the decimals that the ticks need.

    >>> decimals([0.0, 0.25, 0.5]), decimals([0.0, 10.0])
    (2, 0)
    """
    return max((len(f"{t:.6f}".rstrip("0").split(".")[1]) for t in ticks), default=0)


def reach(sizes: Sequence[float], floor: float) -> float:
    """Return how far a scale should go: to the largest size, unless that would flatten all the others.

    More than eight times the median size counts as far out, and is shown at the edge instead.

    >>> reach([1.0, 1.2, 0.8], floor=0.5), reach([1.0, 1.0, 80.0], floor=0.5)
    (1.2, 8.0)
    """
    if not sizes:
        return floor
    return max(floor, min(max(sizes), 8 * statistics.median(sizes)))
