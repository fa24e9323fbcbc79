"""Watching one forward pass: which module made which tensor, and which tensors a block joins."""

from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from visattn.catalogue.table import SPECS
from visattn.core.errors import ConfigError

CHILD = "visattn"
"""The name under which an inserted module is registered."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor as a block saw it.

    Attributes:
        shape: Its shape.
        dtype: Its type.
        device: Its device.
        makers: Paths of the modules whose output it is, innermost first; those that only hand it on come last.
        layers: Paths of the modules with parameters that lie behind it within the block, in the order of their calls.
    """

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device
    makers: tuple[str, ...]
    layers: tuple[str, ...]


@dataclass(slots=True)
class Call:
    """What went into a module and came out of it the last time, and how many times it was called."""

    count: int = 0
    input: torch.Size | None = None
    output: Value | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """Two tensors that a block adds, or puts one behind the other as the last thing it does."""

    block: str
    sides: tuple[Value, Value]


@dataclass(frozen=True, slots=True)
class Trace:
    """One forward pass.

    Attributes:
        modules: Path → module, the inside of mechanisms left out.
        calls: Path → call, in the order in which the modules were entered.
        joins: Every addition and closing concatenation of two feature tensors.
        output: What the model returned.
    """

    modules: dict[str, nn.Module]
    calls: dict[str, Call]
    joins: list[Join]
    output: Any


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a tensor comes from; `behind` has bit i for the i-th call of a module with parameters."""

    behind: int
    version: int
    makers: tuple[str, ...] = ()
    passers: tuple[str, ...] = ()


@dataclass(slots=True)
class _Frame:
    """One running call."""

    path: str
    start: int
    inputs: list[tuple[Tensor, int]]
    closing: list[tuple[Join, int]] = field(default_factory=list)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode without gradients, and give every module its own mode back afterwards."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, flag in training.items():
            module.training = flag


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists and dicts.

    >>> len(list(tensors((torch.ones(1), {"aux": [torch.ones(1)]}))))
    2
    """
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors(item)


def trace(model: nn.Module, example: Tensor) -> Trace:
    """Run `model(example)` once in evaluation mode and record it; the model stays as it is.

    Mechanisms, those of the catalogue and those that were inserted, count as one layer each.

    Args:
        model: Any module that takes one tensor.
        example: Its input.

    Raises:
        ConfigError: The model does not accept the example.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    >>> trace(model, torch.ones(1, 3, 5, 5)).calls["1"].output.layers
    ()
    >>> trace(model, torch.ones(1, 3, 5, 5)).calls[""].output.layers
    ('0',)
    """
    recorder = _Recorder(model, example)
    with ExitStack() as stack:
        stack.enter_context(evaluating(model))
        for path, module in recorder.modules.items():
            enter = module.register_forward_pre_hook(partial(recorder.enter, path), with_kwargs=True)
            leave = module.register_forward_hook(partial(recorder.leave, path), with_kwargs=True)
            stack.callback(enter.remove)
            stack.callback(leave.remove)
        try:
            with recorder:
                output = model(example)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"the model does not accept an example of shape {tuple(example.shape)}: {error}",
                hint="pass example= as the model takes it, on the model's device",
            ) from error
    return Trace(recorder.modules, recorder.calls, recorder.joins, output)


class _Recorder(TorchFunctionMode):
    """Sees every function of tensors through the mode, and every module through two hooks."""

    def __init__(self, model: nn.Module, example: Tensor) -> None:
        super().__init__()
        mechanisms = tuple(s.build for s in SPECS if isinstance(s.build, type))
        named = dict(model.named_modules())
        self.closed = {p for p, m in named.items() if p.rpartition(".")[2] == CHILD or isinstance(m, mechanisms)}
        inside = tuple(f"{p}." for p in self.closed)
        self.modules = {p: m for p, m in named.items() if not p.startswith(inside)}
        self.layered = {p for p, m in self.modules.items() if m._parameters or (p in self.closed and any_parameter(m))}
        self.calls: dict[str, Call] = {}
        self.joins: list[Join] = []
        self.layers: list[str] = []
        self.stack: list[_Frame] = []
        self.origins: MutableMapping[Tensor, _Origin] = WeakIdKeyDictionary()
        self.origins[example] = _Origin(0, example._version)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        # before the call, because an addition in place changes its operand
        self._see_join(getattr(func, "__name__", ""), args, kwargs)
        behind = self._behind((args, kwargs))
        out = func(*args, **kwargs)
        if behind is not None:
            for tensor in tensors(out):
                origin = self._origin(tensor)
                self.origins[tensor] = _Origin(origin.behind | behind, tensor._version, origin.makers, origin.passers)
        return out

    def enter(self, path: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        """Note that a module starts."""
        inputs = [(t, t._version) for t in tensors((args, kwargs))]
        call = self.calls.setdefault(path, Call())
        call.count += 1
        call.input = inputs[0][0].shape if inputs else None
        self.stack.append(_Frame(path, len(self.layers), inputs))

    def leave(self, path: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """Note what a module made."""
        frame = self.stack.pop()
        behind = self._behind([t for t, _ in frame.inputs])
        if behind is not None and path in self.layered:
            behind |= 1 << len(self.layers)
            self.layers.append(path)
        for tensor in tensors(output):
            if behind is None:
                break
            origin = self._origin(tensor)
            handed_on = any(t is tensor and version == tensor._version for t, version in frame.inputs)
            self.origins[tensor] = _Origin(
                origin.behind | behind,
                tensor._version,
                origin.makers if handed_on else (*origin.makers, path),
                (*origin.passers, path) if handed_on else origin.passers,
            )
        self.calls[path].output = self._value(output, frame) if isinstance(output, Tensor) else None
        self.joins += [join for join, layers in frame.closing if layers == len(self.layers)]

    def _see_join(self, name: str, args: Any, kwargs: Any) -> None:
        if name in ("add", "add_"):
            sides = [*args, *(kwargs[k] for k in ("input", "other") if k in kwargs)][:2]
        elif name in ("cat", "concat", "concatenate"):
            given = [*args, *(kwargs[k] for k in ("tensors", "dim", "axis") if k in kwargs), 0]
            sides = list(given[0]) if given[1] in (1, -3) else []
        else:
            return
        known = len(sides) == 2 and all(isinstance(t, Tensor) and t in self.origins for t in sides)
        if not known or any(frame.path in self.closed for frame in self.stack):
            return
        first, second = sides
        # a module without parameters that only adds is no block: the one around it is
        frame = next((f for f in reversed(self.stack) if any_parameter(self.modules[f.path])), self.stack[0])
        join = Join(frame.path, (self._value(first, frame), self._value(second, frame)))
        if not name.startswith("add"):
            frame.closing.append((join, len(self.layers)))
        elif first.shape == second.shape:
            self.joins.append(join)

    def _origin(self, tensor: Tensor) -> _Origin:
        """Return what is known of a tensor; once it is changed in place, its makers no longer made it."""
        known = self.origins.get(tensor, _Origin(0, tensor._version))
        return known if known.version == tensor._version else _Origin(known.behind, tensor._version)

    def _behind(self, value: Any) -> int | None:
        """Return all that lies behind the tensors in `value`; None where none of them depends on the example."""
        found = [self.origins[t].behind for t in tensors(value) if t in self.origins]
        behind = 0
        for bits in found:
            behind |= bits
        return behind if found else None

    def _value(self, tensor: Tensor, frame: _Frame) -> Value:
        origin = self._origin(tensor)
        layers = tuple(p for i, p in enumerate(self.layers) if i >= frame.start and origin.behind >> i & 1)
        return Value(tensor.shape, tensor.dtype, tensor.device, (*origin.makers, *origin.passers), layers)


def any_parameter(module: nn.Module) -> bool:
    """Tell whether a module or one inside it has parameters."""
    return next(module.parameters(), None) is not None
