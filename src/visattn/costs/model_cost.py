"""What a whole model costs, alone or beside a baseline."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor, nn

from visattn.core.errors import ConfigError
from visattn.costs import steps
from visattn.costs.latency import Timing, interleave
from visattn.costs.macs import MacCount, count_macs, count_params
from visattn.costs.memory import peak_memory
from visattn.costs.steps import unchanged
from visattn.costs.table import as_table


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCost:
    """Cost of a model for one example batch.

    Attributes:
        params: Parameters, shared ones once.
        macs: Multiply-adds of the convolutions and matrix products of a forward pass; FLOPs are twice as many.
        uncounted: Operator → calls, where it is not known whether they do such products; `macs` is then a lower bound.
        latency: A forward pass in evaluation mode.
        train_step: Forward and backward pass in training mode, the sum of the outputs being the loss.
        peak_memory: Bytes that a training step (a forward pass where none was asked for) needs beyond model and input.
        no_peak_memory: Why `peak_memory` is missing.
        baseline: The same of the model that the ratios refer to.
    """

    params: int
    macs: int
    uncounted: dict[str, int]
    latency: Timing
    train_step: Timing | None
    peak_memory: int | None
    no_peak_memory: str
    baseline: "ModelCost | None"

    @property
    def ratios(self) -> dict[str, float | None]:
        """This model's figures over the baseline's; times as the median of the ratios within each round."""
        base = self.baseline or self
        return {
            "params": _ratio(self.params, base.params),
            "macs": _ratio(self.macs, base.macs),
            "latency": self.latency.ratio,
            "train_step": self.train_step.ratio if self.train_step else None,
            "peak_memory": _ratio(self.peak_memory, base.peak_memory),
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values that `json` writes."""
        return {**asdict(self), "ratios": self.ratios}

    def __str__(self) -> str:
        return as_table(self.to_json())


def cost(
    model: nn.Module,
    example: Tensor | tuple[Any, ...],
    *,
    baseline: nn.Module | None = None,
    training: bool = True,
    rounds: int = 30,
) -> ModelCost:
    """Measure what a model costs on the device where it is.

    Times of model and baseline are taken in turn in this process, memory in a fresh process each. The model's mode,
    buffers and gradients are afterwards as they were.

    Args:
        model: Any module; its peak memory needs it to pickle.
        example: Its input batch, or a tuple of inputs.
        baseline: A model for the same input to compare with, such as the one without attention.
        training: Measure a training step too.
        rounds: How often each model is timed.

    Raises:
        ConfigError: The model cannot take the example, or no output depends on a parameter that can be trained.

    >>> import torch
    >>> measured = cost(nn.Conv2d(3, 8, 3, bias=False), torch.ones(1, 3, 10, 10), training=False, rounds=2)
    >>> measured.params, measured.macs
    (216, 13824)
    """
    inputs = example if isinstance(example, tuple) else (example,)
    models = {"model": model} if baseline is None else {"baseline": baseline, "model": model}
    first = next(iter(models))
    macs = {name: _count(m, inputs) for name, m in models.items()}
    with ExitStack() as stack:
        for m in models.values():
            stack.enter_context(unchanged(m))
        forwards = {name: steps.forward(m, inputs) for name, m in models.items()}
        latency = interleave(forwards, baseline=first, rounds=rounds)
        train_step = {}
        if training:
            trainings = {name: _training(m, inputs) for name, m in models.items()}
            train_step = interleave(trainings, baseline=first, rounds=rounds)
    found = {}
    for name, m in models.items():
        memory, reason = _memory(m, inputs, steps.training if training else steps.forward)
        found[name] = ModelCost(
            params=count_params(m),
            macs=macs[name].total,
            uncounted=macs[name].uncounted,
            latency=latency[name],
            train_step=train_step.get(name),
            peak_memory=memory,
            no_peak_memory=reason,
            baseline=None,
        )
    return replace(found["model"], baseline=found.get("baseline"))


def _count(model: nn.Module, inputs: tuple[Any, ...]) -> MacCount:
    try:
        return count_macs(model, *inputs)
    except (RuntimeError, ValueError, TypeError) as error:
        raise _unfit("take", model, inputs, error) from error


def _training(model: nn.Module, inputs: tuple[Any, ...]) -> Callable[[], object]:
    step = steps.training(model, inputs)
    try:
        step()
    except (RuntimeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise _unfit("be trained on", model, inputs, error) from error
    return step


def _unfit(verb: str, model: nn.Module, inputs: tuple[Any, ...], error: Exception) -> ConfigError:
    shapes = " and ".join(str(tuple(i.shape)) for i in inputs if isinstance(i, Tensor))
    return ConfigError(
        f"{type(model).__name__} cannot {verb} an example of shape {shapes}: {error}",
        hint="pass one of another size or batch, on the model's device",
    )


def _memory(
    model: nn.Module, inputs: tuple[Any, ...], step: Callable[[nn.Module, tuple[Any, ...]], Callable[[], object]]
) -> tuple[int | None, str]:
    try:
        return peak_memory(step, model, inputs), ""
    except ConfigError as error:
        return None, str(error)


def _ratio(own: int | None, base: int | None) -> float | None:
    return own / base if own is not None and base else None
