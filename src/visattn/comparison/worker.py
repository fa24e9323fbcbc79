"""A process that does jobs: one JSON line in, several JSON lines out. Run as `python -m visattn.comparison.worker`.

It ends when its input does, so it never outlives whoever started it, however that ended.
"""

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

import torch

from visattn.comparison.measure import measure_costs
from visattn.comparison.plan import Arm, Setting
from visattn.comparison.run import execute, load
from visattn.core.errors import VisattnError
from visattn.data import ImageData
from visattn.train import Curve


def main() -> None:
    """Do the jobs that come in until there are no more."""
    # whatever a library prints must not get between the lines of the protocol
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(**event: Any) -> None:
        out.write(json.dumps(event) + "\n")
        out.flush()

    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    data: dict[str, ImageData] = {}
    while True:
        job = json.loads(jobs.get())
        try:
            _do(job, data, send)
        except VisattnError as error:
            send(event="failed", reason=str(error))
        except (RuntimeError, ValueError, TypeError, OSError) as error:
            send(event="failed", reason=f"{type(error).__name__}: {error}")


def _read(jobs: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


def _do(job: dict[str, Any], data: dict[str, ImageData], send: Any) -> None:
    setting = Setting(**{**job["setting"], "image_shape": tuple(job["setting"]["image_shape"])})
    torch.set_num_threads(setting.threads)
    torch.use_deterministic_algorithms(True, warn_only=setting.device != "cpu")
    if job["kind"] == "costs":
        arms = [Arm.from_json(a) for a in job["arms"]]
        send(event="done", result=measure_costs(setting, arms, on_arm=lambda name: send(event="arm", arm=name)))
        return
    if setting.fingerprint not in data:
        data[setting.fingerprint] = load(setting)

    def on_epoch(curve: Curve) -> None:
        send(event="epoch", epoch=curve.epoch[-1], accuracy=curve.val_accuracy[-1])

    arm = Arm.from_json(job["arm"])
    send(
        event="done",
        result=execute(setting, arm, job["seed"], Path(job["folder"]), data[setting.fingerprint], on_epoch=on_epoch),
    )


if __name__ == "__main__":
    main()
