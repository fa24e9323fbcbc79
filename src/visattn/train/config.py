"""How a network is trained: one frozen record, part of every run's identity."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from visattn.core.checks import require_choice
from visattn.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """The recipe that every arm of a comparison shares.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images a step.
        optimizer: "sgd" (Nesterov momentum 0.9) or "adamw".
        lr: Peak learning rate; None means 0.1 for SGD from scratch, 0.01 with loaded weights, 0.001 for AdamW.
        weight_decay: Applied to weight matrices and kernels; norms, biases and scalars have none.
        warmup: Part of all steps over which the rate rises from 0; it then falls to 0 along a cosine.
        label_smoothing: Of the cross-entropy.
        crop_padding: Random crops after padding by so many pixels; None means an eighth of the image size.
        flip: Horizontal flips; None means what suits the data.
        clip: Largest gradient norm; 0 means no clipping.

    Raises:
        ConfigError: A value is out of range.

    >>> TrainConfig(epochs=3).to_json()["epochs"]
    3
    """

    epochs: int = 12
    batch_size: int = 64
    optimizer: str = "sgd"
    lr: float | None = None
    weight_decay: float = 5e-4
    warmup: float = 0.1
    label_smoothing: float = 0.0
    crop_padding: int | None = None
    flip: bool | None = None
    clip: float = 0.0

    def __post_init__(self) -> None:
        require_choice("training", ("sgd", "adamw"), optimizer=self.optimizer)
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1")
        for name in ("weight_decay", "clip", "label_smoothing", "warmup"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 0 or more")
        if self.lr is not None and not self.lr > 0:
            raise ConfigError(f"lr is {self.lr}, expected more than 0")
        if max(self.warmup, self.label_smoothing) >= 1:
            raise ConfigError("warmup and label_smoothing are fractions, expected less than 1")

    def peak_lr(self, *, loaded: bool) -> float:
        """Return the learning rate to use; `loaded` says whether training starts from loaded weights."""
        if self.lr is not None:
            return self.lr
        if self.optimizer == "adamw":
            return 1e-3
        return 0.01 if loaded else 0.1

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Rebuild what `to_json` wrote."""
        return cls(**values)
