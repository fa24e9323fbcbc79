import gc

import pytest

from visattn.core.errors import ConfigError, UnknownNameError
from visattn.costs import interleave


class Machine:
    """A clock that only work moves, by more where the machine has become slower."""

    def __init__(self):
        self.now = 0.0
        self.slowdown = lambda now: 1.0
        self.calls = []

    def work(self, name, seconds):
        def function():
            self.calls.append(name)
            self.now += seconds * self.slowdown(self.now)

        return function


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr("visattn.costs.latency.perf_counter", lambda: machine.now)
    return machine


def test_times_and_ratios(machine):
    timings = interleave(
        {"one": machine.work("one", 2.0), "three": machine.work("three", 6.0)}, baseline="one", rounds=5
    )
    three = timings["three"]
    assert (three.seconds_min, three.seconds_median) == pytest.approx((6, 6))
    assert (three.ratio, three.ratio_min, three.ratio_low, three.ratio_high) == pytest.approx((3, 3, 3, 3))
    assert three.rounds == 5
    assert timings["one"].ratio == 1


def test_slowing_machine_leaves_the_ratio_alone(machine):
    machine.slowdown = lambda now: 1 + now / 1000
    timings = interleave({"one": machine.work("one", 1), "two": machine.work("two", 2)}, baseline="one", rounds=40)
    assert timings["one"].seconds_median > 1.05 * timings["one"].seconds_min
    assert timings["two"].ratio == pytest.approx(2, rel=0.01)


def test_quartiles_hold_the_spread(machine):
    machine.slowdown = lambda now: 2.0 if len(machine.calls) % 4 == 0 else 1.0
    wide = interleave({"a": machine.work("a", 1), "b": machine.work("b", 1)}, baseline="a", rounds=40)["b"]
    assert wide.ratio_low <= wide.ratio <= wide.ratio_high
    assert wide.ratio_low < wide.ratio_high
    assert wide.seconds_min == 1


def test_every_round_calls_each_once_in_changing_order(machine):
    interleave({n: machine.work(n, 1) for n in "abc"}, baseline="a", rounds=12, warmup=2)
    assert machine.calls[:9] == list("aabbccabc")
    rounds = ["".join(machine.calls[i : i + 3]) for i in range(9, len(machine.calls), 3)]
    assert len(rounds) == 12
    assert {"".join(sorted(r)) for r in rounds} == {"abc"}
    assert len(set(rounds)) > 3


def test_fast_function_is_called_until_a_round_lasts(machine):
    timing = interleave({"a": machine.work("a", 1e-5)}, baseline="a", rounds=10, min_seconds=1e-2)["a"]
    assert len(machine.calls) >= 10 * 1000
    assert timing.seconds_median == pytest.approx(1e-5)


def test_work_that_a_device_still_has_to_do_is_waited_for(machine, monkeypatch):
    queue = []

    def synchronize():
        machine.now += sum(queue)
        queue.clear()

    monkeypatch.setattr("visattn.costs.latency._synchronize", synchronize)
    functions = {"one": lambda: queue.append(1.0), "three": lambda: queue.append(3.0)}
    timings = interleave(functions, baseline="one", rounds=4)
    assert (timings["one"].seconds_min, timings["three"].ratio) == (1, 3)


def test_collector_is_off_while_timing_and_back_after():
    states = []
    interleave({"a": lambda: states.append(gc.isenabled())}, baseline="a", rounds=2, warmup=0)
    assert states
    assert not any(states)
    assert gc.isenabled()


def test_collector_comes_back_after_an_error():
    def fail():
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        interleave({"a": fail}, baseline="a", warmup=0)
    assert gc.isenabled()


def test_unknown_baseline_is_named():
    with pytest.raises(UnknownNameError, match="unknown baseline 'plane': did you mean 'plain'"):
        interleave({"plain": int}, baseline="plane")


def test_one_round_has_no_quartiles():
    with pytest.raises(ConfigError, match="rounds=1, expected at least 2"):
        interleave({"a": int}, baseline="a", rounds=1)
