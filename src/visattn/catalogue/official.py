"""Loading published checkpoints into our modules, under the official keys."""

import re
from collections.abc import Mapping
from functools import cache
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from visattn.catalogue.table import SPECS
from visattn.core.errors import ConfigError
from visattn.core.names import unknown_name
from visattn.core.spec import Official


@cache
def _by_source() -> dict[str, Official]:
    return {o.source: o for s in SPECS for o in s.official}


def sources() -> list[str]:
    """Return every official class whose checkpoints load, sorted."""
    return sorted(_by_source())


def plain_source(source: str) -> str:
    """Return a source without "github " before it and without the commit after its repository.

    >>> plain_source("github houqb/CoordAttention@7619bea:coordatt.py:CoordAtt")
    'houqb/CoordAttention:coordatt.py:CoordAtt'
    """
    return re.sub(r"@[0-9a-fA-F]+(?=:)", "", source.removeprefix("github "))


def official(source: str) -> Official:
    """Return the entry of one official class, see `plain_source`.

    Raises:
        UnknownNameError: No entry has that source.
    """
    plain = plain_source(source)
    try:
        return _by_source()[plain]
    except KeyError:
        raise unknown_name("official source", plain, _by_source(), see="visattn.catalogue.official.sources()") from None


def translate(entry: Official, key: str) -> str | None:
    """Return our name of an official state_dict key, or None for a constant that has none."""
    prefix = max((p for p in entry.keys if key.startswith(p)), key=len, default=None)
    if prefix is None:
        raise ConfigError(
            f"{entry.source} has no key {key!r}", hint=f"expected keys that start with {list(entry.keys)}"
        )
    own = entry.keys[prefix]
    return None if own is None else own + key[len(prefix) :]


def _turn(entry: Official, value: Tensor) -> Tensor:
    """Return an official tensor as ours is laid out, and ours as the official is."""
    return value.T if entry.transposed and value.dim() == 2 else value


def from_official(source: str, kwargs: Mapping[str, Any], state_dict: Mapping[str, Tensor]) -> nn.Module:
    """Build our module for an official class and load the official weights into it.

    Args:
        source: "owner/repository:path/to/file.py:Class", a commit may follow the repository.
        kwargs: The official constructor's own arguments.
        state_dict: The official weights under the official keys.

    Raises:
        UnknownNameError: The source is not known.
        ConfigError: An argument, a key or a size does not fit.
    """
    entry = official(source)
    told = {argument: state_dict[key].shape[n] for argument, (key, n) in entry.sizes.items() if key in state_dict}
    kwargs = {**told, **kwargs}
    try:
        signature(entry.build).bind(**kwargs)
    except TypeError as error:
        raise ConfigError(f"{entry.source}: {error}", hint="pass the official constructor's own arguments") from error
    module = entry.build(**kwargs)
    own = module.state_dict()
    loaded = set()
    for key, value in state_dict.items():
        name = translate(entry, key)
        if name is None:
            continue
        if name not in own or own[name].numel() != value.numel():
            got = tuple(own[name].shape) if name in own else "nothing"
            raise ConfigError(
                f"{key!r} of {tuple(value.shape)} has no place in {source}: ours is {got}",
                hint="pass the same constructor arguments as the checkpoint's",
            )
        with torch.no_grad():
            own[name].copy_(_turn(entry, value).reshape(own[name].shape))
        loaded.add(name)
    if missing := sorted(set(own) - loaded):
        raise ConfigError(f"the checkpoint lacks {missing}", hint="pass the whole state_dict of the official class")
    return module


def golden_adapter(case: Mapping[str, Any]) -> dict[str, Any] | None:
    """Answer a golden-tensor case: our module with its state, and its gradients and buffers under official keys.

    `case` holds `meta["source"]`, `kwargs` (the constructor's, and the forward's under "forward") and `state`.
    Returns None for a source that has no entry.
    """
    source = plain_source(case["meta"]["source"])
    if source not in _by_source():
        return None
    entry = official(source)
    kwargs = {k: v for k, v in case["kwargs"].items() if k != "forward"}
    module = from_official(source, kwargs, case["state"])
    # the tensors were made with every dropout off
    for child in module.modules():
        if isinstance(child, _DropoutNd):
            child.p = 0.0
    shapes = {key: value.shape for key, value in case["state"].items()}

    def under_official_keys(tensors: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
        found = {key: tensors.get(translate(entry, key) or "") for key in shapes}
        return {key: _turn(entry, value).reshape(shapes[key]) for key, value in found.items() if value is not None}

    def call(module: nn.Module, *inputs: Tensor) -> Any:
        forward = entry.call or (lambda m, *x, **options: m(*x, **options))
        return forward(module, *inputs, **case["kwargs"].get("forward", {}))

    return {
        "module": module,
        "call": call,
        "grads": lambda m: under_official_keys({k: p.grad for k, p in m.named_parameters()}),
        "buffers": lambda m: under_official_keys(dict(m.named_buffers())),
    }
