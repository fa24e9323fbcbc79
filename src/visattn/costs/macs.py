"""Counting parameters and multiply-adds."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from visattn.core.modes import evaluating
from visattn.costs.operators import mac_formula, operator_name


@dataclass(frozen=True, kw_only=True, slots=True)
class MacCount:
    """Multiply-adds of convolutions and matrix products in one forward pass; FLOPs are twice as many.

    Attributes:
        total: All of them.
        by_module: Path of a sub-module → its MACs, those of its children included. Modules without MACs are absent.
        uncounted: Operator → calls, for operators that are neither counted nor known to do no such products. Where it
            is not empty, `total` is a lower bound.
    """

    total: int
    by_module: dict[str, int]
    uncounted: dict[str, int]


def count_macs(module: nn.Module, *example: Any) -> MacCount:
    """Count the multiply-adds of `module(*example)` in evaluation mode.

    Every operator that reaches PyTorch's dispatcher is seen, also those of functions that are no module. A kernel that
    is started past the dispatcher cannot be seen. An operator of your own is counted once it has a formula in
    `torch.utils.flop_counter.register_flop_formula`. The module's mode, buffers and gradients stay as they are. With
    module and example on the "meta" device nothing is computed.

    Args:
        module: Any module.
        example: The arguments of its forward; the count is for the whole batch.

    >>> count_macs(nn.Conv2d(8, 16, 3, stride=2, groups=4, bias=False), torch.ones(1, 8, 9, 9)).total
    4608
    """
    counter = _Counter()
    # the fused encoder and attention of the evaluation fast path are one operator without a formula
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with evaluating(module), _named_calls(module, counter.running), torch.no_grad(), counter:
            module(*example)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return MacCount(total=counter.total, by_module=dict(counter.by_module), uncounted=dict(counter.uncounted))


def count_params(module: nn.Module) -> int:
    """Count the parameters of a module, shared ones once.

    >>> count_params(nn.Linear(3, 4))
    16
    """
    return sum(p.numel() for p in module.parameters())


class _Counter(TorchDispatchMode):
    """Adds up what each operator costs, under the modules that are running."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.running: list[str] = []
        self.total = 0
        self.by_module: Counter[str] = Counter()
        self.uncounted: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        formula = mac_formula(func)
        if formula is None and isinstance(func, torch._ops.OpOverload):
            # only under inference mode does a composite operator arrive whole
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        out = func(*args, **kwargs)
        if formula is None:
            self.uncounted[operator_name(func)] += 1
        elif macs := formula(*args, **kwargs, out_val=out):
            self.total += macs
            self.by_module.update(dict.fromkeys(self.running, macs))
        return out


@contextmanager
def _named_calls(module: nn.Module, running: list[str]) -> Iterator[None]:
    """Keep `running` equal to the paths of the sub-modules that are being called."""

    def enter(path: str) -> Callable[..., None]:
        return lambda *_: running.append(path)

    def leave(*_: Any) -> None:
        running.pop()

    with ExitStack() as hooks:
        for path, child in module.named_modules():
            if path:
                hooks.callback(child.register_forward_pre_hook(enter(path), prepend=True).remove)
                hooks.callback(child.register_forward_hook(leave, always_call=True).remove)
        yield
