"""Showing how far a comparison is."""

import threading
import time
from typing import Any, Protocol, Self

from visattn.comparison.executor import Job


class Display(Protocol):
    """What a comparison tells whoever watches it."""

    def stage(self, name: str) -> None:
        """Say that a stage begins."""

    def items(self, done: int, total: int) -> None:
        """Say how many files of the data have been read."""

    def runs(self, *, todo: int, done: int, epochs: int) -> None:
        """Say how many runs there are to do, how many an earlier comparison did, and how long one is."""

    def event(self, worker: int, job: Job, event: dict[str, Any]) -> None:
        """Say what a worker said."""

    def finish(self) -> None:
        """Say that all is done."""


class Silent:
    """A display that shows nothing."""

    def stage(self, name: str) -> None:
        """Show nothing."""

    def items(self, done: int, total: int) -> None:
        """Show nothing."""

    def runs(self, *, todo: int, done: int, epochs: int) -> None:
        """Show nothing."""

    def event(self, worker: int, job: Job, event: dict[str, Any]) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""


LOG_SECONDS = 30.0


class Bars:
    """Progress bars with the time left: one for all runs, one for each worker; in a log file a line now and then.

    Args:
        console: A rich console; None means the terminal's standard error.
    """

    def __init__(self, console: Any = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = console or Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._lock = threading.Lock()
        self._total = self._bars.add_task("starting", total=None, note="")
        self._workers: dict[int, Any] = {}
        self._epoch: dict[int, int] = {}
        self._todo = self._epochs = self._finished = 0
        self._began = self._said = 0.0

    @property
    def overall(self) -> Any:
        """The bar for all runs, as rich has it."""
        return self._bars.tasks[0]

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def stage(self, name: str) -> None:
        """Name the stage on the first bar."""
        self._bars.update(self._total, description=name, total=None, completed=0, note="")

    def items(self, done: int, total: int) -> None:
        """Fill the first bar with files."""
        self._bars.update(self._total, total=total, completed=done, note=f"{done} of {total} files")

    def runs(self, *, todo: int, done: int, epochs: int) -> None:
        """Turn the first bar into one for all runs."""
        if done:
            self._console.print(f"{done} of {todo + done} runs are there already", style="dim")
        self._todo, self._epochs, self._began = todo, epochs, time.monotonic()
        self._bars.update(self._total, description="all runs", total=todo * epochs, completed=0, note=f"0 of {todo}")

    def event(self, worker: int, job: Job, event: dict[str, Any]) -> None:
        """Move the bar of a worker, and the one for all."""
        with self._lock:
            if job.message["kind"] == "costs":
                self._bars.update(self._total, note=event.get("arm", ""))
                return
            match event["event"]:
                case "start":
                    self._epoch[worker] = 0
                    if worker not in self._workers:
                        self._workers[worker] = self._bars.add_task("", total=self._epochs, note="")
                    self._bars.reset(self._workers[worker], description=job.name, note="")
                case "epoch":
                    self._epoch[worker] = event["epoch"]
                    note = f"epoch {event['epoch']}, {event['accuracy']:.1f} %"
                    self._bars.update(self._workers[worker], completed=event["epoch"], note=note)
                case "failed":
                    self._console.print(f"{job.name} failed: {event['reason']}", style="red")
                    self._end(worker)
                case "done":
                    self._end(worker)
            self._advance()

    def _end(self, worker: int) -> None:
        self._finished += 1
        self._epoch[worker] = 0

    def _advance(self) -> None:
        total = self._todo * self._epochs
        completed = min(total, self._finished * self._epochs + sum(self._epoch.values()))
        elapsed = time.monotonic() - self._began
        left = clock(elapsed * (total - completed) / completed) if completed else "some time"
        note = f"{self._finished} of {self._todo}, {left} left"
        self._bars.update(self._total, completed=completed, note=note)
        if not self._console.is_terminal and time.monotonic() - self._said >= LOG_SECONDS:
            self._said = time.monotonic()
            self._console.print(note)

    def finish(self) -> None:
        """Stop the bars."""
        self._bars.stop()


def clock(seconds: float) -> str:
    """Write a duration.

    >>> clock(754)
    '12:34'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
