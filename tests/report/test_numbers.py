import pytest

from visattn.report.numbers import amount, duration, plain, probability, signed, times


@pytest.mark.parametrize("value", [-0.001, 0.0, 0.004])
def test_what_rounds_to_zero_has_no_sign(value):
    assert signed(value) == "0.00"
    assert plain(value) == "0.00"


@pytest.mark.parametrize(
    ("count", "text"),
    [(-1234, "−1.23 k"), (999, "999"), (999_499, "999 k"), (999_500, "1.00 M"), (9.996e6, "10.0 M"), (5e15, "5000 T")],
)
def test_counts_keep_three_digits(count, text):
    assert amount(count) == text


def test_ratios_get_shorter_as_they_grow():
    assert [times(r) for r in (0.5, 9.99, 9.996, 131.2)] == ["0.50×", "9.99×", "10.0×", "131.2×"]


def test_durations_roll_over():
    assert [duration(s) for s in (59.94, 60, 119.6, 3600)] == ["59.9 s", "1 min 0 s", "2 min 0 s", "1 h 0 min"]


def test_tiny_probabilities_are_bounded():
    assert probability(0.00099) == "< 0.001"
    assert probability(0.001) == "0.001"
