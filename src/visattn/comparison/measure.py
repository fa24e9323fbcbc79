"""What each arm costs: parameters, MACs, latency, a training step and its peak memory."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from visattn.comparison.arms import build_arm, example_images
from visattn.comparison.plan import Arm, Setting
from visattn.core.errors import VisattnError
from visattn.costs import Timing, count_macs, count_params, interleave, peak_memory

ROUNDS = 30


def measure_costs(
    setting: Setting, arms: list[Arm], *, on_arm: Callable[[str], None] = lambda name: None
) -> dict[str, Any]:
    """Return arm id → cost, as in results.json.

    Times are taken in one process, all arms in turn in every round; memory is taken in a fresh process for each arm.
    The first arm is the baseline.
    """
    models = {arm.id: build_arm(setting, arm, 0)[0].to(setting.device) for arm in arms}
    base = arms[0].id
    images = example_images(setting, 1).to(setting.device)
    batch_size = int(setting.train["batch_size"])
    on_arm("latency")
    latency = interleave({name: _forward(m, images) for name, m in models.items()}, baseline=base, rounds=ROUNDS)
    on_arm("training step")
    steps = {name: _step(m, example_images(setting, batch_size).to(setting.device)) for name, m in models.items()}
    step = interleave(steps, baseline=base, rounds=max(5, ROUNDS // 3))
    macs = {name: count_macs(m, images) for name, m in models.items()}
    memory = _memory(setting, arms, on_arm)
    plain_params, plain_macs = count_params(models[base]), macs[base].total
    return {
        name: {
            "params": count_params(model),
            "params_added": count_params(model) - plain_params,
            "macs": macs[name].total,
            "macs_added": macs[name].total - plain_macs,
            "uncounted": macs[name].uncounted,
            "latency": _timing(latency[name], 1),
            "train_step": _timing(step[name], batch_size),
            "peak_memory": _relative(memory, name, base),
        }
        for name, model in models.items()
    }


def _forward(model: nn.Module, images: torch.Tensor) -> Callable[[], object]:
    # set once here: walking over the modules of a small network takes a measurable time
    model.eval()

    def forward() -> object:
        with torch.inference_mode():
            return model(images)

    return forward


def _step(model: nn.Module, images: torch.Tensor) -> Callable[[], object]:
    model.train()
    labels = torch.arange(len(images), device=images.device) % 2

    def step() -> None:
        model.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(images), labels).backward()

    return step


def training_step(setting: Setting, arm: Arm) -> Callable[[], object]:
    """Return a function that does one training step of an arm at the plan's batch size."""
    torch.set_num_threads(setting.threads)
    model, _ = build_arm(setting, arm, 0)
    return _step(model.to(setting.device), example_images(setting, int(setting.train["batch_size"])).to(setting.device))


def _memory(setting: Setting, arms: list[Arm], on_arm: Callable[[str], None]) -> dict[str, int]:
    def one(arm: Arm) -> tuple[str, int] | None:
        try:
            peak = peak_memory(training_step, setting, arm)
        except (VisattnError, OSError, RuntimeError):
            return None
        on_arm(f"memory of {arm.id}")
        return arm.id, peak

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(found for found in pool.map(one, arms) if found)


def _timing(timing: Timing, batch_size: int) -> dict[str, Any]:
    values = asdict(timing)
    return {
        "seconds": values["seconds_median"],
        "ratio": values["ratio"],
        "ratio_min": values["ratio_min"],
        "ratio_low": values["ratio_low"],
        "ratio_high": values["ratio_high"],
        "batch_size": batch_size,
    }


def _relative(memory: dict[str, int], name: str, base: str) -> dict[str, Any] | None:
    if name not in memory:
        return None
    return {"bytes": memory[name], "ratio": memory[name] / memory[base] if memory.get(base) else None}
