"""Comparing the time of functions side by side in one process."""

import gc
import math
import random
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import torch

from visattn.core.errors import ConfigError
from visattn.core.names import unknown_name


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Seconds of one call, and their ratio to the baseline's within the same rounds.

    Attributes:
        seconds_min: The fastest round.
        seconds_median: The middle round.
        ratio: Median over the rounds of this function's time to the baseline's in the same round.
        ratio_min: Ratio of the fastest rounds.
        ratio_low: First quartile of the ratios.
        ratio_high: Third quartile of the ratios.
        rounds: How often each function was timed.
    """

    seconds_min: float
    seconds_median: float
    ratio: float
    ratio_min: float
    ratio_low: float
    ratio_high: float
    rounds: int


def interleave(
    functions: Mapping[str, Callable[[], object]],
    *,
    baseline: str,
    rounds: int = 30,
    warmup: int = 3,
    min_seconds: float = 1e-3,
) -> dict[str, Timing]:
    """Time functions in turn, so that a machine that slows down slows all of them.

    Every round times each function once, in an order that is shuffled anew (from a fixed seed) and with the garbage
    collector off. A fast function is called several times per round.

    Args:
        functions: Name → function without arguments.
        baseline: The name that the ratios refer to.
        rounds: At least 2.
        warmup: Calls of each function before the first round.
        min_seconds: A round calls a function as often as it takes to last this long.

    Raises:
        UnknownNameError: `baseline` is none of the names.
        ConfigError: `rounds` is below 2.

    >>> timings = interleave({"short": lambda: sum(range(10)), "long": lambda: sum(range(10000))}, baseline="short")
    >>> timings["short"].ratio, timings["long"].ratio > 2
    (1.0, True)
    """
    if baseline not in functions:
        raise unknown_name("baseline", baseline, functions, see=f"the functions {', '.join(functions)}")
    if rounds < 2:
        raise ConfigError(f"interleave got rounds={rounds}, expected at least 2")
    for function in functions.values():
        for _ in range(warmup):
            function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    with _collector_off():
        calls = {name: _calls_to_last(min_seconds, function) for name, function in functions.items()}
        order, rng = list(functions), random.Random(0)
        for _ in range(rounds):
            rng.shuffle(order)
            for name in order:
                seconds[name].append(_time(functions[name], calls[name]))
    return {name: _timing(seconds[name], seconds[baseline]) for name in functions}


def _timing(own: list[float], base: list[float]) -> Timing:
    ratios = [a / b for a, b in zip(own, base, strict=True)]
    low, middle, high = statistics.quantiles(ratios, method="inclusive")
    return Timing(
        seconds_min=min(own),
        seconds_median=statistics.median(own),
        ratio=middle,
        ratio_min=min(own) / min(base),
        ratio_low=low,
        ratio_high=high,
        rounds=len(own),
    )


def _time(function: Callable[[], object], calls: int) -> float:
    """Return the seconds of one call, the mean over `calls` of them."""
    _synchronize()
    start = perf_counter()
    for _ in range(calls):
        function()
    _synchronize()
    return (perf_counter() - start) / calls


def _calls_to_last(seconds: float, function: Callable[[], object]) -> int:
    calls = 1
    while (took := calls * _time(function, calls)) < seconds:
        calls = max(2 * calls, math.ceil(calls * min(seconds / max(took, 1e-9), 100)))
    return calls


def _synchronize() -> None:
    device = torch.accelerator.current_accelerator(check_available=True)
    # one that was never used has nothing to wait for, and waiting would start it
    if device is not None and getattr(torch.get_device_module(device), "is_initialized", lambda: True)():
        torch.accelerator.synchronize()


@contextmanager
def _collector_off() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
