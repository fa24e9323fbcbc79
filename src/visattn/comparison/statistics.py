"""What the results of a few seeds on a few test images allow one to say.

The unit is the difference `d[s, i]` between an arm and the baseline for seed `s` and test image `i`: +100 where only
the arm is right, -100 where only the baseline is, else 0; its mean is the difference in accuracy in percentage points.
Seeds and images are both samples, so both are crossed random effects (Searle, Casella and McCulloch, Variance
Components, 1992, chapter 4): `d[s, i] = μ + a[s] + b[i] + e[s, i]`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """A difference in accuracy, in percentage points, and how well it is known.

    Attributes:
        mean: Over seeds and images.
        per_seed: Mean over the images, for each seed.
        interval: For new seeds and new images.
        seed_interval: For new seeds on these very images.
        image_interval: For these very seeds on new images.
        p: Two-sided, that there is no difference for new seeds and new images.
        standard_error: Of `mean`, for new seeds and new images.
        degrees: Of freedom of `standard_error` (Satterthwaite).
    """

    mean: float
    per_seed: tuple[float, ...]
    interval: tuple[float, float]
    seed_interval: tuple[float, float]
    image_interval: tuple[float, float]
    p: float
    standard_error: float
    degrees: float


def paired_effect(arm: NDArray[np.bool_], baseline: NDArray[np.bool_], *, level: float = 0.95) -> Effect | None:
    """Estimate the difference between two arms that were trained with the same seeds and tested on the same images.

    With mean squares of seeds, images and residual, `Var(mean) = (MS_seed + MS_image − MS_residual) / (S·N)` is
    unbiased for crossed random effects; it is not let below what seeds or images alone give. The interval is
    Student's, with Satterthwaite's degrees of freedom, and never narrower than the one for seeds alone.

    Args:
        arm: Which test images were classified rightly, (S, N).
        baseline: The same for the baseline.
        level: Of the intervals.

    Returns:
        None with fewer than two seeds or two images, which allow no statement.

    >>> right = np.ones((3, 50), bool)
    >>> wrong_once = right.copy(); wrong_once[0, :5] = False
    >>> effect = paired_effect(wrong_once, right)
    >>> round(effect.mean, 2), effect.interval[1] > 0
    (-3.33, True)
    """
    difference = 100.0 * (arm.astype(np.float64) - baseline.astype(np.float64))
    seeds, images = difference.shape
    if seeds < 2 or images < 2:
        return None
    mean = float(difference.mean())
    by_seed, by_image = difference.mean(axis=1), difference.mean(axis=0)
    residual = difference - by_seed[:, None] - by_image[None, :] + mean
    ms_seed = images * float(by_seed.var(ddof=1))
    ms_image = seeds * float(by_image.var(ddof=1))
    ms_residual = float((residual**2).sum()) / ((seeds - 1) * (images - 1))
    crossed = _crossed_error(ms_seed, ms_image, ms_residual, seeds, images)
    seed_only = (float(by_seed.std(ddof=1)) / seeds**0.5, float(seeds - 1))
    # with two or three seeds the crossed estimate is too sure of itself: take the wider one
    error, degrees = max(crossed, seed_only, key=lambda known: _half_width(known[0], known[1], level))
    return Effect(
        mean=mean,
        per_seed=tuple(map(float, by_seed)),
        interval=_interval(mean, error, degrees, level),
        seed_interval=_interval(mean, *seed_only, level),
        image_interval=_interval(mean, float(by_image.std(ddof=1)) / images**0.5, images - 1, level),
        p=_p_value(mean, error, degrees),
        standard_error=error,
        degrees=degrees,
    )


def _crossed_error(ms_seed: float, ms_image: float, ms_residual: float, seeds: int, images: int) -> tuple[float, float]:
    """Return the standard error of the grand mean and its degrees of freedom."""
    total, degrees = max((ms_seed, float(seeds - 1)), (ms_image, float(images - 1)))
    crossed = ms_seed + ms_image - ms_residual
    if crossed > total:
        spread = ms_seed**2 / (seeds - 1) + ms_image**2 / (images - 1) + ms_residual**2 / ((seeds - 1) * (images - 1))
        total, degrees = crossed, crossed**2 / spread
    return (total / (seeds * images)) ** 0.5, degrees


def _half_width(error: float, degrees: float, level: float) -> float:
    from scipy import stats

    return float(stats.t.ppf(0.5 + level / 2, degrees)) * error


def _interval(mean: float, error: float, degrees: float, level: float) -> tuple[float, float]:
    half = _half_width(error, degrees, level)
    return mean - half, mean + half


def _p_value(mean: float, error: float, degrees: float) -> float:
    from scipy import stats

    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / error, degrees))


def holm(p_values: list[float]) -> list[float]:
    """Return Holm's (1979) step-down adjusted p-values, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def minimum_detectable_effect(effect: Effect, *, tests: int = 1, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest true difference, in points, that a comparison like this one finds with the given power.

    The test is Student's at level `alpha / tests`, Holm's first step; the power is that of the non-central t.

    >>> from dataclasses import replace
    >>> right = np.zeros((4, 30), bool); other = right.copy(); other[1, :6] = True; other[3, 2:9] = True
    >>> effect = paired_effect(other, right)
    >>> minimum_detectable_effect(effect) < minimum_detectable_effect(effect, tests=8)
    True
    """
    from scipy import optimize, stats

    if effect.standard_error == 0.0:
        return 0.0
    critical = float(stats.t.ppf(1 - alpha / (2 * tests), effect.degrees))

    def missing(ratio: float) -> float:
        return float(stats.nct.sf(critical, effect.degrees, ratio)) - power

    return float(optimize.brentq(missing, 0.0, 4 * critical + 10)) * effect.standard_error
