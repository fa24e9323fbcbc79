"""Doing jobs in worker processes on this machine."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from visattn.core.errors import RunError


@dataclass(frozen=True, slots=True)
class Job:
    """One thing for a worker to do: a name for the display and what `visattn.comparison.worker` reads."""

    name: str
    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: a result, or the reason why there is none."""

    result: dict[str, Any] | None
    reason: str = ""


COMMAND = [sys.executable, "-m", "visattn.comparison.worker"]
# glibc maps every large tensor afresh and faults its pages in again: kept memory trains twice as fast on a CPU
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**34), "MALLOC_TOP_PAD_": str(2**28)}
Event = Callable[[int, Job, dict[str, Any]], None]


def execute_locally(
    jobs: Sequence[Job], *, workers: int, on_event: Event, environment: Mapping[str, str] | None = None
) -> list[Outcome]:
    """Do all jobs in `workers` processes and return their outcomes in the order of the jobs.

    A worker that dies takes only its own job with it, and all workers end when this process does.

    Args:
        jobs: What to do.
        workers: Processes at the same time.
        on_event: Called with worker number, job and event; events are "start", those of the worker, "done", "failed".
        environment: Variables of the worker processes, beside those of this one.

    Raises:
        RunError: A worker cannot be started.
    """
    waiting = deque(enumerate(jobs))
    outcomes = [Outcome(None, "not done")] * len(jobs)
    pool = [_Worker(number, on_event, environment or {}) for number in range(min(workers, len(jobs)))]
    errors: list[Exception] = []

    def serve(worker: _Worker) -> None:
        try:
            while waiting and not errors:
                index, job = waiting.popleft()
                outcomes[index] = worker.do(job)
        except IndexError:
            return
        except Exception as error:  # noqa: BLE001
            # raised again in the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in pool]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            # a join with a time limit lets Ctrl-C through
            while thread.is_alive():
                thread.join(0.2)
    finally:
        waiting.clear()
        for worker in pool:
            worker.end()
    for error in errors:
        if isinstance(error, OSError):
            raise RunError(f"a worker process cannot be started: {error}", hint="pass fewer --jobs") from error
        raise error
    return outcomes


class _Worker:
    """A worker process, started anew for the next job when it died."""

    def __init__(self, number: int, on_event: Event, environment: Mapping[str, str]) -> None:
        self.number = number
        self.environment = {**os.environ, **environment}
        self.on_event = on_event
        self.process: subprocess.Popen[str] | None = None
        # a file and not a pipe: nobody reads it while the process works
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115

    def do(self, job: Job) -> Outcome:
        """Send one job and follow its events to the end."""
        self.on_event(self.number, job, {"event": "start"})
        if self.process is None:
            self.process = self._start()
        for line in self._send(self.process, job):
            event = json.loads(line)
            self.on_event(self.number, job, event)
            if event["event"] == "done":
                return Outcome(event["result"])
            if event["event"] == "failed":
                return Outcome(None, event["reason"])
        outcome = Outcome(None, f"the worker process died: {self._post_mortem(self.process)}")
        self.process = None
        self.on_event(self.number, job, {"event": "failed", "reason": outcome.reason})
        return outcome

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            encoding="utf-8",
            env=self.environment,
        )

    @staticmethod
    def _send(process: "subprocess.Popen[str]", job: Job) -> IO[str]:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(job.message) + "\n")
            process.stdin.flush()
        return process.stdout

    def _post_mortem(self, process: "subprocess.Popen[str]") -> str:
        process.communicate()
        if process.returncode == -signal.SIGKILL:
            return "it was killed, perhaps for want of memory"
        self.log.seek(0)
        last = self.log.read().strip().rpartition("\n")[2]
        return last or f"exit code {process.returncode}"

    def end(self) -> None:
        """Kill the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.log.close()
