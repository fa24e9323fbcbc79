"""Where results came from: versions and machine."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from visattn import __version__


def versions() -> dict[str, str]:
    """Return the versions of what took part."""
    found = {"visattn": __version__, "python": platform.python_version()}
    for name in ("torch", "numpy", "scipy", "scikit-learn", "torchvision", "timm"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine(device: str) -> dict[str, Any]:
    """Return what the machine is; `device` as in a plan."""
    if device != "cpu":
        import torch

        device = f"{device}: {torch.cuda.get_device_name(device)}" if device.startswith("cuda") else device
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(pages, 1),
        "device": device,
        "os": f"{platform.system()} {platform.release()}",
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
