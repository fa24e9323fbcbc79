from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visattn.report.figures.scale import Scale, decimals, reach, round_step

ENDS = st.tuples(st.floats(-1e4, 1e4), st.floats(0.01, 1e4)).map(lambda e: (e[0], e[0] + e[1]))


@given(ENDS, st.integers(3, 9))
def test_ticks_are_few_evenly_spaced_and_on_the_scale(ends, count):
    scale = Scale(low=ends[0], high=ends[1])
    ticks = scale.ticks(count)
    assert 1 <= len(ticks) <= count + 1
    gaps = {round(b - a, 6) for a, b in pairwise(ticks)}
    assert len(gaps) <= 1
    assert all(-1e-6 <= scale.place(tick) <= 100 + 1e-6 for tick in ticks)


@given(st.floats(0.5, 1.0), st.floats(3.1, 500.0))
def test_logarithmic_ticks_stay_on_the_scale(low, factor):
    scale = Scale(low=low, high=low * factor, log=True)
    ticks = scale.ticks()
    assert ticks
    assert ticks == sorted(ticks)
    assert all(scale.holds(tick) for tick in ticks)


def test_places_run_from_edge_to_edge_and_stop_there():
    scale = Scale(low=2.0, high=6.0)
    assert [scale.place(v) for v in (2.0, 3.0, 6.0, 99.0, -99.0)] == [0.0, 25.0, 100.0, 100.0, 0.0]
    assert not scale.holds(6.1)


@pytest.mark.parametrize(("step", "rounded"), [(1.0, 1.0), (1.01, 2.0), (0.021, 0.05), (51.0, 100.0)])
def test_steps_are_rounded_up(step, rounded):
    assert round_step(step) == pytest.approx(rounded)


def test_zero_among_ticks_is_not_negative():
    assert str(Scale(low=-1.0, high=1.0).ticks(4)) == "[-1.0, -0.5, 0.0, 0.5, 1.0]"


def test_decimals_are_those_of_the_finest_tick():
    assert decimals([0.25, 0.5]) == 2
    assert decimals([]) == 0


def test_one_far_out_does_not_flatten_the_others():
    assert reach([1.0] * 9 + [90.0], floor=0.5) == 8.0
    assert reach([1.0] * 9 + [5.0], floor=0.5) == 5.0
    assert reach([], floor=0.5) == 0.5
