import json
import os
import signal
import subprocess
import sys
import time

import pytest

import visattn as va
from visattn.comparison.compare import default_jobs
from visattn.comparison.plan import Plan
from visattn.core.errors import ConfigError, RunError
from visattn.report import validate
from visattn.train import TrainConfig

SMALL = {"size": 8, "epochs": 2, "train": TrainConfig(batch_size=128)}


def numbers(results):
    """What must not change from one comparison to the next: all but times and dates."""
    kept = []
    for arm in results["arms"]:
        runs = [{k: v for k, v in run.items() if k != "seconds"} for run in arm["runs"]]
        kept.append({k: arm[k] for k in ("id", "verdict", "accuracy", "effect", "explanations")} | {"runs": runs})
    return kept


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted comparison."""
    return va.compare(mechanisms="se,eca", seeds=2, out=tmp_path_factory.mktemp("whole"), **SMALL)


def test_results_are_whole_and_valid(whole):
    stored = json.loads((whole.folder / "results.json").read_text())
    validate(stored)
    assert [a["id"] for a in stored["arms"]] == ["baseline", "no-op", "control", "se", "eca"]
    assert all(len(a["runs"]) == 2 and a["cost"] and len(a["explanations"]) == 6 for a in stored["arms"])
    assert whole.arm("se")["effect"]["per_seed"] == pytest.approx(
        [
            a - b
            for a, b in zip(
                whole.arm("se")["accuracy"]["per_seed"], whole.arm("baseline")["accuracy"]["per_seed"], strict=True
            )
        ]
    )
    assert whole.report.stat().st_size > 10_000
    assert stored["summary"]["headline"] in str(whole)
    with pytest.raises(ConfigError, match="the arms are baseline, no-op"):
        whole.arm("sE")


def test_the_same_plan_gives_the_same_numbers_however_many_jobs(whole, tmp_path):
    again = va.compare(mechanisms="se,eca", seeds=2, out=tmp_path, jobs=1, **SMALL)
    assert numbers(again.results) == numbers(whole.results)


def test_a_larger_comparison_reuses_the_smaller_and_nothing_runs_twice(whole):
    def stamps():
        return {p.parent.name: p.stat().st_mtime_ns for p in whole.folder.glob("runs/*/result.json")}

    before = stamps()
    larger = va.compare(mechanisms="se,eca,gc", seeds=3, out=whole.folder, controls="none", **SMALL)
    after = stamps()
    assert {k: after[k] for k in before} == before
    assert [a["id"] for a in larger.results["arms"]] == ["baseline", "no-op", "se", "eca", "gc"]
    new = set(after) - set(before)
    assert len(new) == 3 + 4  # gc with three seeds; the third seed of the four others
    assert numbers(larger.results)[2]["runs"][:2] == numbers(whole.results)[3]["runs"]


@pytest.mark.slow
def test_a_killed_comparison_goes_on_and_gives_the_same_result(whole, tmp_path):
    call = f"""
import visattn as va
from visattn.train import TrainConfig
va.compare(mechanisms="se,eca", seeds=2, out={str(tmp_path)!r}, size=8, epochs=2, train=TrainConfig(batch_size=128))
"""
    process = subprocess.Popen([sys.executable, "-c", call], start_new_session=True)
    deadline = time.monotonic() + 240
    while len(list(tmp_path.glob("runs/*/result.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = {p.parent.name: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/result.json")}
    assert 2 <= len(done) < 10
    assert not (tmp_path / "results.json").exists()
    time.sleep(1.0)
    still = list(tmp_path.glob("runs/*/result.json"))
    assert len(still) == len(done), "the workers outlived whoever started them"
    finished = va.compare(mechanisms="se,eca", seeds=2, out=tmp_path, **SMALL)
    assert numbers(finished.results) == numbers(whole.results)
    assert {k: (tmp_path / "runs" / k / "result.json").stat().st_mtime_ns for k in done} == done


def test_arms_that_diverge_or_do_not_fit_stay_in_the_results(tmp_path):
    done = va.compare(
        mechanisms="se,rfaconv(where='nowhere')",
        seeds=2,
        out=tmp_path,
        size=8,
        epochs=1,
        train=TrainConfig(batch_size=256, lr=1e30, warmup=0.0),
    )
    validate(done.results)
    assert done.arm("se")["status"] == "diverged"
    assert "diverged in 2 of 2 runs" in done.arm("se")["verdict"]["text"]
    assert done.arm("baseline")["status"] == "diverged"
    refused = done.arm("rfaconv(where=nowhere)")
    assert (refused["status"], refused["runs"]) == ("refused", [])
    assert "nowhere" in refused["reason"]


def test_another_versions_folder_is_left_alone(tmp_path):
    (tmp_path / "plan.json").write_text('{"visattn": "0.0.1"}')
    with pytest.raises(RunError, match="made by visattn 0.0.1"):
        va.compare(mechanisms="se", out=tmp_path)


def test_default_jobs_fill_the_processors(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    plan = Plan(mechanisms=va.comparison.parse_choices("se"), threads=3)
    assert default_jobs(plan) == 2
    assert default_jobs(Plan(mechanisms=plan.mechanisms, device="cuda")) == 1
