"""Training a classifier: for each step batch, forward, loss, backward, optimise; for each epoch evaluate and save."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from visattn.data import Batches, ImageData, evaluation
from visattn.train.config import TrainConfig
from visattn.train.optimizer import build_optimizer, learning_rate

EpochCallback = Callable[["Curve"], None]


@dataclass(slots=True)
class Curve:
    """What each finished epoch gave; accuracies in per cent."""

    epoch: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, epoch: int, train_loss: float, val_loss: float, val_accuracy: float, seconds: float) -> None:
        """Append one finished epoch."""
        self.epoch.append(epoch)
        self.train_loss.append(train_loss)
        self.val_loss.append(val_loss)
        self.val_accuracy.append(val_accuracy)
        self.seconds.append(seconds)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """What training gave.

    Attributes:
        curve: Per epoch.
        predicted: Class of each validation image after the last epoch, (N,).
        diverged: Why training was ended early, or "".
    """

    curve: Curve
    predicted: np.ndarray
    diverged: str


def fit(
    model: nn.Module,
    data: ImageData,
    config: TrainConfig,
    *,
    seed: int,
    loaded: bool = False,
    device: str = "cpu",
    checkpoint: Path | None = None,
    on_epoch: EpochCallback | None = None,
    save_every: float = 5.0,
) -> Fit:
    """Train `model` in place and evaluate it after each epoch.

    Data order and augmentation depend on `seed` and the epoch alone, so two models see the same batches.

    Args:
        model: The classifier, on any device.
        data: Training and validation images.
        config: The recipe.
        seed: Of data order, augmentation and what is random inside the model.
        loaded: The model starts from loaded weights.
        device: Where to train.
        checkpoint: Where to save the state between epochs, and to resume from when it is there.
        on_epoch: Called with the curve after each epoch.
        save_every: Seconds between two checkpoints at least.
    """
    model.to(device)
    padding = data.train.images.shape[-1] // 8 if config.crop_padding is None else config.crop_padding
    flip = data.flip if config.flip is None else config.flip
    batch_size = min(config.batch_size, len(data.train))
    batches = Batches(
        data.train, data.mean, data.std, batch_size, seed=seed, flip=flip, crop_padding=padding, device=device
    )
    optimizer = build_optimizer(model, config)
    schedule = partial(
        learning_rate,
        steps=config.epochs * len(batches),
        peak=config.peak_lr(loaded=loaded),
        warmup=config.warmup,
    )
    curve = _resume(checkpoint, model, optimizer)
    predicted, val_loss = np.empty(0, np.int64), math.nan
    saved = time.monotonic()
    for epoch in range(len(curve.epoch), config.epochs):
        started = time.monotonic()
        # what is random inside a model (dropout, stochastic depth) starts anew each epoch, so a resumed run is equal
        torch.manual_seed(hash((seed, epoch)) % 2**31)
        loss = _train_epoch(model, batches, epoch, optimizer, schedule, config)
        if not math.isfinite(loss):
            return Fit(curve=curve, predicted=predicted, diverged=f"the loss was {loss} in epoch {epoch + 1}")
        predicted, val_loss = predict(model, data, config.batch_size, device=device)
        curve.add(
            epoch + 1, loss, val_loss, 100 * float(np.mean(predicted == data.val.labels)), time.monotonic() - started
        )
        if on_epoch:
            on_epoch(curve)
        if checkpoint and epoch + 1 < config.epochs and time.monotonic() - saved >= save_every:
            _save(checkpoint, model, optimizer, curve)
            saved = time.monotonic()
    diverged = "" if math.isfinite(val_loss) else f"the validation loss was {val_loss} at the end"
    return Fit(curve=curve, predicted=predicted, diverged=diverged)


def _train_epoch(
    model: nn.Module,
    batches: Batches,
    epoch: int,
    optimizer: torch.optim.Optimizer,
    schedule: Callable[[int], float],
    config: TrainConfig,
) -> float:
    """Train for one epoch and return the mean loss, or the first loss that was not finite."""
    model.train()
    total = 0.0
    for index, (images, labels) in enumerate(batches.epoch(epoch)):
        loss = nn.functional.cross_entropy(model(images), labels, label_smoothing=config.label_smoothing)
        value = loss.item()
        if not math.isfinite(value):
            return value
        for group in optimizer.param_groups:
            group["lr"] = schedule(epoch * len(batches) + index)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if config.clip:
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        total += value
    return total / len(batches)


@torch.no_grad()
def predict(model: nn.Module, data: ImageData, batch_size: int, *, device: str = "cpu") -> tuple[np.ndarray, float]:
    """Return the predicted class of each validation image, (N,), and the mean cross-entropy."""
    model.eval()
    classes, losses = [], 0.0
    for images, labels in evaluation(data.val, data.mean, data.std, batch_size, device=device):
        logits = model(images)
        losses += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        classes.append(logits.argmax(dim=1).cpu().numpy())
    return np.concatenate(classes), losses / len(data.val.labels)


def _save(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, curve: Curve) -> None:
    part = path.with_suffix(".part")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "curve": curve.to_json()}, part)
    part.replace(path)


def _resume(path: Path | None, model: nn.Module, optimizer: torch.optim.Optimizer) -> Curve:
    if path is None or not path.exists():
        return Curve()
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return Curve(**state["curve"])
