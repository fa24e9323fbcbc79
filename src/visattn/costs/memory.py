"""Peak memory of a function, measured in a process of its own."""

import ctypes
import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

from visattn.core.errors import ConfigError

# glibc then gives every larger block its own pages and hands them back as soon as it is freed
_GLIBC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
_STATUS = Path("/proc/self/status")
_IMPORTABLE = "put everything that is measured at the top level of a module that can be imported"


def peak_memory(setup: Callable[..., Callable[[], object]], *args: object) -> int:
    """Return the bytes that a function needs at its peak, beyond those in use before its first call.

    A fresh process calls `setup(*args)`, which returns the function: one training step, say. What the setup holds,
    such as weights and inputs, is not in the figure. The function is called twice and the figure is of the second
    call, so buffers that the first call leaves behind (gradients, moments of an optimiser) are in it.

    On the CPU the figure is resident memory without mapped files, and repetitions agree within a few per cent. Where
    there is no /proc (it is Linux's) it is the growth of the largest resident size so far, a lower bound. On an
    accelerator it is what tensors take in PyTorch's allocator.

    Args:
        setup: A function at the top level of a module that the fresh process can import.
        args: What it is called with; everything must pickle.

    Raises:
        ConfigError: `setup` or an argument does not pickle, or the fresh process failed.
    """
    try:
        job = pickle.dumps((torch.get_num_threads(), setup, args))
    except (pickle.PicklingError, AttributeError, TypeError, RuntimeError) as error:
        raise ConfigError(f"peak_memory got what cannot be pickled, {error}", hint=_IMPORTABLE) from error
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    child = subprocess.run(
        [sys.executable, "-c", "from visattn.costs.memory import answer; answer()"],
        input=job,
        capture_output=True,
        env={**os.environ, **_GLIBC, "PYTHONPATH": path},
        check=False,
    )
    kind, _, value = child.stdout.decode().partition(" ")
    if kind == "bytes":
        return int(value)
    if kind == "unreadable":
        raise ConfigError(f"the fresh process of peak_memory could not import it, {value}", hint=_IMPORTABLE)
    reason = value or f"exit code {child.returncode}: {child.stderr.decode(errors='replace')[-500:]}"
    raise ConfigError(f"the fresh process of peak_memory failed with {reason}")


def answer() -> None:
    """Do in the fresh process what standard input asks for, and write the figure to standard output."""
    # whatever is printed on the way must not mix with the answer
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    failure = "unreadable"
    try:
        threads, setup, args = pickle.load(sys.stdin.buffer)
        failure = "error"
        torch.set_num_threads(threads)
        out.write(f"bytes {_peak(setup(*args))}")
    except BaseException as error:
        out.write(f"{failure} {type(error).__name__}: {error}")
        raise
    finally:
        out.close()


def _peak(function: Callable[[], object]) -> int:
    _release()
    on_host = _private_bytes()
    on_device = sum(map(torch.accelerator.memory_allocated, _devices()))
    function()
    _release()
    _reset_resident_peak()
    for device in _devices():
        torch.accelerator.reset_peak_memory_stats(device)
    function()
    if peak := sum(map(torch.accelerator.max_memory_allocated, _devices())):
        return peak - on_device
    return max(0, _private_bytes(peak=True) - on_host)


def _devices() -> range:
    return range(torch.accelerator.device_count())


def _release() -> None:
    """Hand freed memory back, or the function would use it again and seem to need less."""
    gc.collect()
    with suppress(AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset_resident_peak() -> None:
    # where this is closed, a setup that needs more than the function raises the figure
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _private_bytes(*, peak: bool = False) -> int:
    """Return the resident memory without mapped files, of now or at its peak."""
    text = _STATUS.read_text(encoding="ascii") if _STATUS.exists() else ""
    size = {words[0]: 1024 * int(words[1]) for words in map(str.split, text.splitlines()) if words[-1] == "kB"}
    if "VmHWM:" not in size:
        return _largest_resident()
    return size["VmHWM:" if peak else "VmRSS:"] - size.get("RssFile:", 0) - size.get("RssShmem:", 0)


def _largest_resident() -> int:
    # not on windows
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
