"""The single steps of an insertion, each of which can be taken back."""

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from visattn.core.errors import PlugError
from visattn.plug.rules import Plan
from visattn.plug.trace import CHILD


class Change(Protocol):
    """One step that can be taken back."""

    def check(self) -> None:
        """Raise `PlugError` where the step can no longer be taken back."""

    def undo(self) -> None:
        """Take it back."""


def carry_out(model: nn.Module, todo: Plan) -> Change:
    """Put one module where its plan says."""
    path, old, new = todo.site.path, model.get_submodule(todo.site.path), todo.module
    if todo.how.startswith("replaced"):
        slots = [(m, name) for m in model.modules() for name, child in m._modules.items() if child is old]
        for parent, name in slots:
            setattr(parent, name, new)
        return _Replaced(path, slots, old, new)
    old.add_module(CHILD, new)
    return _Attached(path, old, new, old.register_forward_hook(_beside if todo.how == "conv blend" else _through))


def _through(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Hook: pass the output of a module through what it carries."""
    gated: Tensor = getattr(module, CHILD)(output)
    return gated


def _beside(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Hook: blend the output of a convolution with what it carries makes of the input."""
    blended: Tensor = getattr(module, CHILD)(inputs[0], output)
    return blended


@dataclass(frozen=True, slots=True)
class _Attached:
    """A module that another one carries as a child, with the hook that calls it."""

    path: str
    host: nn.Module
    module: nn.Module
    handle: RemovableHandle

    def check(self) -> None:
        if self.host._modules.get(CHILD) is not self.module:
            raise PlugError(f"{self.path} no longer carries what was inserted", hint="undo what was done to it since")

    def undo(self) -> None:
        self.handle.remove()
        delattr(self.host, CHILD)


@dataclass(frozen=True, slots=True)
class _Replaced:
    """A module that stands in every place where another one stood."""

    path: str
    slots: list[tuple[nn.Module, str]]
    old: nn.Module
    new: nn.Module

    def check(self) -> None:
        if any(parent._modules.get(name) is not self.new for parent, name in self.slots):
            raise PlugError(f"{self.path} is no longer what was inserted", hint="undo what was done to it since")
        if any(CHILD in module._modules for module in self.new.modules()):
            raise PlugError(f"{self.path} carries a later insertion", hint="undo that receipt first")

    def undo(self) -> None:
        # the model may have been moved since
        like = next(self.new.parameters(), None)
        if like is not None:
            self.old.to(device=like.device, dtype=like.dtype)
        self.old.train(self.new.training)
        for parent, name in self.slots:
            setattr(parent, name, self.old)
