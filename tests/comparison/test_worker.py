import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from visattn.comparison.plan import Arm


@pytest.fixture
def worker():
    """A real worker process."""
    command = [sys.executable, "-m", "visattn.comparison.worker"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        yield process
        process.kill()


def ask(process, message):
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
    events = []
    while not events or events[-1]["event"] not in ("done", "failed"):
        events.append(json.loads(process.stdout.readline()))
    return events


@pytest.mark.slow
def test_a_worker_does_jobs_survives_bad_ones_and_ends_with_its_input(worker, make, tmp_path):
    _, setting = make()
    good = {"kind": "run", "setting": asdict(setting), "arm": Arm(id="baseline", kind="baseline").to_json(), "seed": 0}
    good["folder"] = str(tmp_path / "run")
    events = ask(worker, good)
    assert [e["event"] for e in events] == ["epoch", "done"]
    assert events[-1]["result"]["status"] == "ok"
    changed = {**good, "setting": {**good["setting"], "fingerprint": "another"}, "folder": str(tmp_path / "other")}
    assert "changed while it was being compared" in ask(worker, changed)[-1]["reason"]
    wrong = {**good, "setting": {**good["setting"], "model": "nonsense"}}
    assert "unknown model 'nonsense'" in ask(worker, wrong)[-1]["reason"]
    assert ask(worker, good)[-1]["event"] == "done"
    worker.stdin.close()
    assert worker.wait(timeout=30) == 0
