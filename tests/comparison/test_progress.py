import io

import pytest
from rich.console import Console
from rich.text import Text

from visattn.comparison import progress
from visattn.comparison.executor import Job
from visattn.comparison.progress import Bars, Silent

RUN = Job("se, seed 1", {"kind": "run"})
COSTS = Job("costs", {"kind": "costs"})


def tell(display):
    display.stage("reading the data")
    display.items(3, 9)
    display.stage("measuring the costs")
    display.event(0, COSTS, {"event": "start"})
    display.event(0, COSTS, {"event": "arm", "arm": "latency"})
    display.event(0, COSTS, {"event": "done"})
    display.runs(todo=3, done=2, epochs=2)
    for worker in (0, 1):
        display.event(worker, RUN, {"event": "start"})
        display.event(worker, RUN, {"event": "epoch", "epoch": 1, "accuracy": 50.0})
    display.event(0, RUN, {"event": "epoch", "epoch": 2, "accuracy": 60.0})
    display.event(0, RUN, {"event": "done"})
    display.event(1, RUN, {"event": "failed", "reason": "out of luck"})


def test_bars_show_where_the_comparison_is():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Bars(console) as bars:
        tell(bars)
        overall = bars.overall
        assert (overall.completed, overall.total) == (4, 6)
        assert overall.fields["note"].startswith("2 of 3, ")
        assert overall.fields["note"].endswith(" left")
        bars.finish()
    shown = Text.from_ansi(console.file.getvalue()).plain
    assert "2 of 5 runs are there already" in shown
    assert "se, seed 1 failed: out of luck" in shown


def test_a_finished_comparison_leaves_no_time():
    with Bars(Console(file=io.StringIO())) as bars:
        bars.runs(todo=1, done=0, epochs=1)
        bars.event(0, RUN, {"event": "start"})
        bars.event(0, RUN, {"event": "epoch", "epoch": 1, "accuracy": 1.0})
        bars.event(0, RUN, {"event": "done"})
        assert bars.overall.fields["note"] == "1 of 1, 0:00 left"


def test_a_log_file_gets_plain_lines(monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    console = Console(file=io.StringIO(), width=100)
    with Bars(console) as bars:
        tell(bars)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "2 of 5 runs are there already"
    assert lines[-1].startswith("2 of 3, ")
    assert "\x1b" not in "".join(lines)


def test_silence():
    silent = Silent()
    tell(silent)
    silent.finish()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61, "1:01"), (3725, "1:02:05")])
def test_clock(seconds, text):
    from visattn.comparison.progress import clock

    assert clock(seconds) == text
