"""Recording what a module returns, so that gradients with respect to it can be taken."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError


class Recording:
    """What one module returned in its latest call, and gradients with respect to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._returned: object = None

    def keep(self, output: object) -> object:
        """Record an output, cut from the graph below it; return what the network shall go on with."""
        if not isinstance(output, Tensor):
            self._returned = output
            return output
        self._returned = output.detach().requires_grad_()
        # a copy, because the next operation may work in place
        return self._returned.clone()

    @property
    def activations(self) -> Tensor:
        """The module's output.

        Raises:
            ConfigError: The module was not called, or it did not return one map per image.
        """
        if self._returned is None:
            raise ConfigError(f"layer {self.name!r} was not called in the forward pass", hint="choose one that is used")
        if not isinstance(self._returned, Tensor) or self._returned.dim() != 4:
            got = tuple(self._returned.shape) if isinstance(self._returned, Tensor) else type(self._returned).__name__
            raise ConfigError(
                f"layer {self.name!r} returned {got}, expected (B, C, H, W)", hint="choose a convolutional layer"
            )
        return self._returned

    def gradients(self, score: Tensor) -> Tensor:
        """Return the gradient of a scalar with respect to the activations; no parameter's `.grad` is touched.

        Raises:
            ConfigError: As `activations`, or the scalar does not depend on them.
        """
        activations = self.activations
        found = torch.autograd.grad(score, activations, allow_unused=True)[0] if score.requires_grad else None
        if found is None:
            raise ConfigError(f"the output does not depend on layer {self.name!r}", hint="choose one on its way")
        return found


@contextmanager
def recording(module: nn.Module, name: str) -> Iterator[Recording]:
    """Record the calls of a module while the context lasts.

    The output is taken after all other hooks of the module, so that of a plugged module is the plugged one.

    Args:
        module: What is recorded.
        name: What errors call it.

    >>> layer = nn.Conv2d(1, 2, 1)
    >>> with recording(layer, "layer") as record:
    ...     score = layer(torch.ones(1, 1, 3, 3)).sum()
    >>> record.activations.shape, record.gradients(score).unique()
    (torch.Size([1, 2, 3, 3]), tensor([1.]))
    """
    record = Recording(name)
    handle = module.register_forward_hook(lambda _module, _inputs, output: record.keep(output))
    try:
        yield record
    finally:
        handle.remove()
