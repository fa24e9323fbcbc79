"""What is to be compared: one frozen record from which every run follows."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from visattn import __version__
from visattn.comparison.choices import Choice
from visattn.core.checks import require_choice
from visattn.core.errors import ConfigError
from visattn.train import TrainConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A comparison of mechanisms on one model and one data set.

    Attributes:
        data: What `visattn.data.load` reads.
        size: Side of the images in pixels; None means what suits the data.
        model: A name of `visattn.zoo.backbone`.
        mechanisms: The arms beside baseline, no-op and control.
        seeds: One run of each arm for each seed.
        train: The recipe that all arms share.
        insertion: "identity" (the network starts as the plain one), "published" (the mechanism as its paper starts it)
            or "auto": identity with loaded weights, published from scratch.
        where: Where gates go; None means their published place.
        pretrained: Start from the model library's weights.
        weights: Start from a checkpoint file.
        controls: "median" (one capacity control, like the median mechanism), "each" (one per mechanism) or "none".
        threads: CPU threads of one run; part of the plan because it changes the rounding.
        device: Where to train.
        on_bad: "fail" or "skip" for images that cannot be read.

    Raises:
        ConfigError: A value has no meaning.
    """

    data: str = "digits"
    size: int | None = None
    model: str = "resnet8"
    mechanisms: tuple[Choice, ...]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    train: TrainConfig = field(default_factory=TrainConfig)
    insertion: str = "auto"
    where: str | None = None
    pretrained: bool = False
    weights: Path | None = None
    controls: str = "median"
    threads: int = 1
    device: str = "cpu"
    on_bad: str = "fail"

    def __post_init__(self) -> None:
        require_choice("compare", ("auto", "identity", "published"), insertion=self.insertion)
        require_choice("compare", ("median", "each", "none"), controls=self.controls)
        require_choice("compare", ("fail", "skip"), on_bad=self.on_bad)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(
                f"seeds are {list(self.seeds)}, expected at least one and none twice", hint="pass --seeds 5"
            )
        if self.threads < 1:
            raise ConfigError(f"threads is {self.threads}, expected at least 1")
        if self.pretrained and self.weights:
            raise ConfigError("both --pretrained and --weights were given", hint="leave one out")

    @property
    def loaded(self) -> bool:
        """Training starts from loaded weights."""
        return self.pretrained or self.weights is not None

    @property
    def identity(self) -> bool:
        """Mechanisms are inserted so that the network starts as the plain one."""
        return self.insertion == "identity" or (self.insertion == "auto" and self.loaded)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for results.json."""
        return {
            "data": self.data,
            "size": self.size,
            "model": self.model,
            "mechanisms": [c.label for c in self.mechanisms],
            "seeds": list(self.seeds),
            "epochs": self.train.epochs,
            "insertion": "identity" if self.identity else "published",
            "where": self.where,
            "pretrained": self.pretrained,
            "weights": self.weights.name if self.weights else None,
            "controls": self.controls,
            "threads": self.threads,
            "device": self.device,
            "train": self.train.to_json(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One network of a comparison.

    Attributes:
        id: Shown name, unique in a comparison.
        kind: "baseline", "no-op", "control" or "mechanism".
        choice: The mechanism; None for the other kinds.
        sites: Module path → parameters there, for the no-op (0 each) and the controls.
    """

    id: str
    kind: str
    choice: Choice | None = None
    sites: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `from_json` reads back."""
        chosen = None
        if self.choice:
            chosen = {"name": self.choice.name, "options": self.choice.options, "where": self.choice.where}
        return {"id": self.id, "kind": self.kind, "choice": chosen, "sites": dict(self.sites)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Arm":
        """Rebuild what `to_json` wrote."""
        chosen = values["choice"]
        if chosen:
            where = chosen["where"]
            where = tuple(where) if isinstance(where, list) else where
            chosen = Choice(name=chosen["name"], options=chosen["options"], where=where)
        return cls(id=values["id"], kind=values["kind"], choice=chosen, sites=values["sites"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """All that a worker needs beside the arm and the seed; JSON in both directions.

    `num_classes`, `image_shape` and `fingerprint` are those of the data that the plan was made for.
    """

    model: str
    pretrained: bool
    weights: str | None
    weights_digest: str | None
    identity: bool
    where: str | None
    num_classes: int
    image_shape: tuple[int, int, int]
    fingerprint: str
    train: dict[str, Any]
    threads: int
    device: str
    data: str
    size: int | None
    on_bad: str
    cache: str | None

    def run_spec(self, arm: Arm, seed: int) -> dict[str, Any]:
        """Return what a run's result depends on, and nothing else."""
        part = arm.to_json()
        del part["id"]
        own = asdict(self)
        # where the data and the weights lie does not matter: their digests are there
        for name in ("data", "size", "on_bad", "cache", "weights"):
            del own[name]
        return {"visattn": __version__, "arm": part, "seed": seed, **own}


def digest(spec: Mapping[str, Any]) -> str:
    """Return the name of a run: the first 16 digits of the SHA-256 of its specification.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
