import pytest

from visattn.costs.table import as_table, quantity

TIME = {"seconds_median": 0.0123, "ratio_low": 1.2, "ratio_high": 1.3}
RATIOS = {"params": 1.07, "macs": 1.0, "latency": 1.25, "train_step": None, "peak_memory": None}
BASE = {
    "params": 1000,
    "macs": 2_000_000,
    "latency": TIME,
    "train_step": None,
    "peak_memory": 3 * 2**20,
    "uncounted": {},
    "no_peak_memory": "",
    "baseline": None,
    "ratios": RATIOS,
}


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (12_345, "12.3 k"), (123_456, "123 k"), (2.5e15, "2.50 P")],
)
def test_quantity_has_three_figures(value, written):
    assert quantity(value) == written


def test_binary_quantity():
    assert (quantity(1023, "B", step=1024), quantity(1536, "B", step=1024)) == ("1023 B", "1.50 KiB")


def test_table_of_one_model():
    lines = as_table(BASE).splitlines()
    assert lines == ["parameters    1.00 k", "MACs          2.00 M", "forward pass  12.3 ms", "peak memory   3.00 MiB"]


def test_table_beside_a_baseline():
    cost = {**BASE, "params": 1070, "peak_memory": None, "no_peak_memory": "no pickle", "baseline": BASE}
    cost["uncounted"] = {"aten._fft_r2c": 2}
    assert as_table(cost).splitlines() == [
        "              model    baseline  ratio",
        "parameters    1.07 k   1.00 k    1.070",
        "MACs          2.00 M   2.00 M    1.000",
        "forward pass  12.3 ms  12.3 ms   1.25 (1.20 to 1.30)",
        "MACs of the model are a lower bound, they lack aten._fft_r2c ×2",
        "no peak memory of the model: no pickle",
    ]
