"""Putting a mechanism into a network, and measuring what that changed."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError
from visattn.core.spec import Role
from visattn.costs.macs import count_macs, count_params
from visattn.plug.changes import carry_out
from visattn.plug.receipt import Placed, Receipt
from visattn.plug.rules import Factory, choose, plan
from visattn.plug.sites import Where, sites_in
from visattn.plug.trace import evaluating, tensors, trace


def plug_(
    model: nn.Module,
    mechanism: str | Factory,
    *,
    where: Where | None = None,
    identity: bool = True,
    example: Tensor | None = None,
    role: Role | str | None = None,
    **options: Any,
) -> Receipt:
    """Insert a mechanism into a network, in place, so that the network computes at first what it computed before.

    The network keeps its modules, their types and the keys of its state_dict: what is inserted is a child named
    "visattn" of the module that it follows. Only a convolution that is replaced leaves, with its keys. A gate, or what
    is blended in beside a convolution, starts with `y = x + α·(A(x) − x)` and α = 0, which is exact; a convolution
    that can be set from the replaced one's weights equals it to rounding. Make the optimiser afterwards, because there
    are new parameters.

    Args:
        model: The network.
        mechanism: Catalogue name of a gate or convolution, or a factory that takes a `Site` and returns a module.
        where: See `find_sites`; by default the place in residual networks where it was published.
        identity: False inserts the mechanism as published, so that pretrained features change at once.
        example: An input (B, ...) that the model takes; it is traced with it.
        role: "gate" or "conv", for a factory only.
        options: Options of the mechanism.

    Returns:
        What changed; its `undo()` takes everything out again.

    Raises:
        ConfigError: There is no example, the model does not take it, or an option has no meaning.
        UnknownNameError: No mechanism has that name.
        PlugError: A site is missing or does not suit the mechanism. The model is as it was.

    >>> from torchvision.models import resnet18
    >>> model, x = resnet18(), torch.ones(2, 3, 64, 64)
    >>> receipt = plug_(model, "se", example=x, reduction=16)
    >>> receipt.max_difference, receipt.tensors_kept == receipt.tensors_total
    (0.0, True)
    >>> receipt.undo()
    """
    if not isinstance(example, Tensor) or example.dim() == 0 or len(example) == 0:
        got = f"shape {tuple(example.shape)}" if isinstance(example, Tensor) else type(example).__name__
        raise ConfigError(f"plug_ got example={got}", hint="pass an input of the model, such as a batch of two images")
    chosen = choose(mechanism, role, options)
    traced = trace(model, example)
    sites = sites_in(traced, chosen.role, where)
    plans = [plan(site, traced.modules[site.path], chosen, identity) for site in sites]
    before = _measure(model, example)
    changes = [carry_out(model, p) for p in plans]

    def undo() -> None:
        for change in changes:
            change.check()
        for change in reversed(changes):
            change.undo()

    try:
        after = _measure(model, example)
    except BaseException:
        undo()
        raise
    return Receipt(
        mechanism=chosen.name,
        role=chosen.role,
        options=dict(options),
        identity=identity,
        sites=tuple(Placed(path=p.site.path, how=p.how, params=count_params(p.module)) for p in plans),
        params_before=before.params,
        params_after=after.params,
        tensors_total=len(before.state),
        tensors_kept=sum(k in after.state and torch.equal(after.state[k], v) for k, v in before.state.items()),
        macs_before=before.macs,
        macs_after=after.macs,
        macs_uncounted=after.uncounted,
        max_difference=_difference(before.evaluated, after.evaluated),
        max_difference_training=(
            None if before.trained is None or after.trained is None else _difference(before.trained, after.trained)
        ),
        _undo=undo,
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    state: dict[str, Tensor]
    params: int
    macs: int
    uncounted: dict[str, int]
    evaluated: list[Tensor]
    trained: list[Tensor] | None


def _measure(model: nn.Module, example: Tensor) -> _Measured:
    macs = count_macs(model, example[:1])
    with evaluating(model):
        evaluated = list(tensors(model(example)))
    return _Measured(
        state={key: value.clone() for key, value in model.state_dict().items() if isinstance(value, Tensor)},
        params=count_params(model),
        macs=macs.total,
        uncounted=macs.uncounted,
        evaluated=evaluated,
        trained=_trained(model, example),
    )


def _trained(model: nn.Module, example: Tensor) -> list[Tensor] | None:
    """Run a copy in training mode and take the random numbers back; None where either cannot be done."""
    devices = [example.device] if example.device.type == "cuda" else []
    try:
        trial = copy.deepcopy(model).train()
        with torch.no_grad(), torch.random.fork_rng(devices):
            return list(tensors(trial(example)))
    except (RuntimeError, TypeError, ValueError):
        return None


def _difference(before: list[Tensor], after: list[Tensor]) -> float:
    pairs = zip(before, after, strict=True)
    return max((float((b.double() - a.double()).abs().max()) for a, b in pairs if a.numel()), default=0.0)
