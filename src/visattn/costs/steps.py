"""The two calls that are measured: a forward pass, and a training step that leaves no trace."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from visattn.core.errors import ConfigError
from visattn.core.modes import evaluating


def forward(model: nn.Module, inputs: tuple[Any, ...]) -> Callable[[], object]:
    """Put a model into evaluation mode and return its forward pass."""
    model.eval()

    def call() -> object:
        with torch.no_grad():
            return model(*inputs)

    return call


def training(model: nn.Module, inputs: tuple[Any, ...]) -> Callable[[], object]:
    """Put a model into training mode and return a forward and backward pass, the loss being the sum of all outputs.

    Raises:
        ConfigError: When called, if no output depends on a parameter that can be trained.
    """
    model.train()

    def call() -> None:
        with torch.enable_grad():
            outputs = tree_leaves(model(*inputs))
            sums = [o.sum() for o in outputs if isinstance(o, Tensor) and o.requires_grad]
            if not sums:
                raise ConfigError(
                    f"no output of {type(model).__name__} depends on a parameter that can be trained",
                    hint="pass training=False",
                )
            torch.stack(sums).sum().backward()
        model.zero_grad()

    return call


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Give a model its mode, buffers and gradients back at the end.

    >>> norm = nn.BatchNorm1d(1)
    >>> with unchanged(norm):
    ...     training(norm, (torch.ones(4, 1),))()
    >>> norm.running_mean, norm.weight.grad
    (tensor([0.]), None)
    """
    buffers = [(m, name, b, b.clone()) for m in model.modules() for name, b in m._buffers.items() if b is not None]
    gradients = [(p, p.grad) for p in model.parameters()]
    # a step would otherwise add to the gradients that are there
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        with evaluating(model):
            yield
    finally:
        for module, name, buffer, value in buffers:
            module._buffers[name] = buffer
            with torch.no_grad():
                buffer.copy_(value)
        for parameter, gradient in gradients:
            parameter.grad = gradient
