import pytest

from visattn.comparison import executor
from visattn.comparison.executor import Job, Outcome, execute_locally
from visattn.core.errors import RunError

WORKER = """
import json, os, signal, sys
for line in sys.stdin:
    job = json.loads(line)
    print("{}", file=sys.stderr)
    if job["do"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job["do"] == "crash":
        raise SystemError("the reason")
    print(json.dumps({"event": "epoch", "epoch": 1}), flush=True)
    if job["do"] == "fail":
        print(json.dumps({"event": "failed", "reason": "no luck"}), flush=True)
    else:
        print(json.dumps({"event": "done", "result": {"answer": job["do"]}}), flush=True)
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A worker that needs no torch."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    monkeypatch.setattr(executor, "COMMAND", [executor.sys.executable, str(script)])


def run(*todo, workers=2):
    events = []
    jobs = [Job(str(d), {"do": d}) for d in todo]
    outcomes = execute_locally(jobs, workers=workers, on_event=lambda n, job, e: events.append((job.name, e["event"])))
    return outcomes, events


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_outcomes_come_in_the_order_of_the_jobs(worker, workers):
    outcomes, events = run("a", "b", "c", workers=workers)
    assert [o.result["answer"] for o in outcomes] == ["a", "b", "c"]
    assert [e for name, e in events if name == "b"] == ["start", "epoch", "done"]


def test_a_worker_that_dies_takes_only_its_own_job_with_it(worker):
    outcomes, events = run("a", "die", "b", "crash", "c", "fail", "d", workers=1)
    assert [bool(o.result) for o in outcomes] == [True, False, True, False, True, False, True]
    assert "killed, perhaps for want of memory" in outcomes[1].reason
    assert "SystemError: the reason" in outcomes[3].reason
    assert outcomes[5] == Outcome(None, "no luck")
    assert ("die", "failed") in events


def test_workers_get_their_environment(monkeypatch):
    script = "import json, os; input(); print(json.dumps({'event': 'done', 'result': {'x': os.environ['X_OF_TEST']}}))"
    monkeypatch.setattr(executor, "COMMAND", [executor.sys.executable, "-c", script])
    (outcome,) = execute_locally([Job("a", {})], workers=1, on_event=lambda *_: None, environment={"X_OF_TEST": "7"})
    assert outcome.result == {"x": "7"}


def test_no_jobs_need_no_workers(worker):
    assert run() == ([], [])


def test_a_worker_that_cannot_be_started_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(executor, "COMMAND", ["/nonexistent/python"])
    with pytest.raises(RunError, match="a worker process cannot be started"):
        run("a")


def test_an_error_in_the_display_ends_the_workers(worker):
    def broken(*_):
        raise RuntimeError("display")

    with pytest.raises(RuntimeError, match="display"):
        execute_locally([Job("a", {"do": "a"})], workers=1, on_event=broken)
