"""One run: an arm trained with one seed. Its result.json is written last, so a folder with one is finished."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from visattn.comparison.arms import build_arm
from visattn.comparison.plan import Arm, Setting
from visattn.comparison.store import cannot_write, prepare_run, write_json
from visattn.core.errors import DataError
from visattn.data import ImageData, evaluation
from visattn.data import load as load_data
from visattn.explanations import grad_cam
from visattn.train import Curve, TrainConfig, fit

EXPLAINED = 6


def load(setting: Setting) -> ImageData:
    """Return the data of a setting.

    Raises:
        DataError: It is no longer the data that the plan was made for.
    """
    cache = Path(setting.cache) if setting.cache else None
    data = load_data(setting.data, size=setting.size, on_bad=setting.on_bad, cache=cache)
    if data.fingerprint != setting.fingerprint:
        raise DataError(f"{setting.data} changed while it was being compared", hint="run the same command again")
    return data


def execute(
    setting: Setting,
    arm: Arm,
    seed: int,
    folder: Path,
    data: ImageData,
    *,
    on_epoch: Callable[[Curve], None] | None = None,
) -> dict[str, Any]:
    """Train one arm with one seed, or finish what an earlier process began, and write the result.

    Args:
        setting: What all runs share.
        arm: What is plugged.
        seed: Of the initial weights, the data order and the augmentation.
        folder: Of the run.
        data: From `load`.
        on_epoch: Called after each epoch.

    Returns:
        What was written to result.json.
    """
    started = time.monotonic()
    prepare_run(folder, setting.run_spec(arm, seed))
    model, receipt = build_arm(setting, arm, seed)
    fitted = fit(
        model,
        data,
        TrainConfig.from_json(setting.train),
        seed=seed,
        loaded=setting.weights is not None or setting.pretrained,
        device=setting.device,
        checkpoint=folder / "last.pt",
        on_epoch=on_epoch,
    )
    correct = fitted.predicted == data.val.labels if not fitted.diverged else None
    result = {
        "seed": seed,
        "status": "diverged" if fitted.diverged else "ok",
        "reason": fitted.diverged or None,
        "accuracy": None if correct is None else 100 * float(correct.mean()),
        "seconds": time.monotonic() - started,
        "curve": {k: _finite(v) for k, v in fitted.curve.to_json().items() if k != "seconds"},
        "insertion": receipt.to_json() if receipt else None,
    }
    try:
        np.save(folder / "predicted.npy", fitted.predicted.astype(np.int32))
        if not fitted.diverged:
            np.save(folder / "heatmaps.npy", _heatmaps(model, data, setting.device))
        write_json(folder / "result.json", result)
        (folder / "last.pt").unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return result


def explained_images(data: ImageData) -> list[int]:
    """Return which validation images are explained: one of each of the first classes, then further ones."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data.val.labels))
    first = [int(order[np.flatnonzero(data.val.labels[order] == c)[0]]) for c in np.unique(data.val.labels)]
    rest = [int(i) for i in order if int(i) not in first]
    return (first + rest)[:EXPLAINED]


def _heatmaps(model: nn.Module, data: ImageData, device: str) -> np.ndarray:
    chosen = data.val.take(explained_images(data))
    images, _ = next(iter(evaluation(chosen, data.mean, data.std, EXPLAINED, device=device)))
    maps = grad_cam(model, images)
    side = min(32, maps.shape[-1])
    small: np.ndarray = torch.nn.functional.adaptive_avg_pool2d(maps[:, None], side)[:, 0].cpu().numpy()
    return small.astype(np.float16)


def _finite(values: list[float]) -> list[float | None]:
    return [v if np.isfinite(v) else None for v in values]
