"""Where in a network a mechanism can go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError, PlugError
from visattn.core.names import nearest
from visattn.core.spec import Role
from visattn.plug.trace import CHILD, Trace, Value, trace

Where = str | Sequence[str]
"""`"block_end"`, `"block_conv"`, or one or more module paths, in which `*` and `?` stand for any text."""

_DEFAULT = {Role.GATE: "block_end", Role.CONV: "block_conv"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One place for one mechanism.

    Attributes:
        path: The module whose output a gate re-weights, or the convolution that is replaced.
        role: GATE or CONV.
        block: Path of the residual block around it; empty where there is none, or where it is the whole model.
        in_channels: Channels that enter.
        channels: Channels that leave.
        height: Height of what enters the mechanism, for the example that was traced.
        width: Width of it.
        dtype: Type of the numbers.
        device: Where they are.
        conv: CONV only: the arguments that build the replaced `nn.Conv2d`.
    """

    path: str
    role: Role
    block: str
    in_channels: int
    channels: int
    height: int
    width: int
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    conv: dict[str, Any] | None = field(default=None, hash=False)

    @property
    def kernel_size(self) -> int | tuple[int, int] | None:
        """Kernel of the replaced convolution, one number where it is square; None for a gate."""
        size: int | tuple[int, int] | None = None if self.conv is None else self.conv["kernel_size"]
        return size


def find_sites(model: nn.Module, example: Tensor, *, role: Role | str, where: Where | None = None) -> list[Site]:
    """Find the places for mechanisms of one role by running the model once.

    `"block_end"`, the default for gates, is the end of the residual branch of every block, before the addition. Of
    two feature maps that a block adds, the branch is the one with more layers behind it within the block; a closing
    concatenation of two counts as well. Where other blocks of the same class add nothing, it is their output.
    `"block_conv"`, the default for convolutions, is the first dense k×k convolution of every residual branch, k > 1,
    and in a branch that has none its dense 1×1 convolutions.

    Args:
        model: The network; it stays as it is.
        example: An input, (B, 3, H, W) for most networks.
        role: "gate" or "conv".
        where: See above, or module paths such as `"layer*.conv1"`.

    Raises:
        ConfigError: The model does not accept the example, or `role` and `where` have no meaning together.
        PlugError: A place that was asked for is not there, or cannot take a mechanism; the message has the reason.

    >>> from torchvision.models import resnet18
    >>> sites = find_sites(resnet18(), torch.ones(1, 3, 64, 64), role="gate")
    >>> [s.path for s in sites][:2], sites[-1].channels
    (['layer1.0.bn2', 'layer1.1.bn2'], 512)
    """
    return sites_in(trace(model, example), placeable(role), where)


def placeable(role: Role | str) -> Role:
    """Return the role if mechanisms of it can be placed by themselves.

    Raises:
        ConfigError: There is no such role.
        PlugError: Mechanisms of this role are parts of a network that is built around them.
    """
    if role not in list(Role):
        raise ConfigError(f"unknown role {role!r}", hint=f"expected one of {', '.join(_DEFAULT)}")
    if role not in _DEFAULT:
        raise PlugError(
            f"a {role} mechanism has no place of its own in a network",
            hint=f"expected one of the roles {', '.join(_DEFAULT)}; build it with visattn.create",
        )
    return Role(role)


def sites_in(traced: Trace, role: Role, where: Where | None = None) -> list[Site]:
    """Find the places in a network that has been traced; see `find_sites`."""
    where = _DEFAULT[role] if where is None else where
    if where in _DEFAULT.values():
        if where != _DEFAULT[role]:
            raise ConfigError(f"where={where!r} is no place for a {role}", hint=f"expected {_DEFAULT[role]!r} or paths")
        branches = list(_branches(traced))
        if not branches:
            raise PlugError(
                "the model adds no residual branch of shape (B, C, H, W) to anything",
                hint=f"pass where= with module paths, such as {_some(_matching(traced, '*', role))}",
            )
        find = _ends if role is Role.GATE else _convolutions
        found = [site for block, value in branches for site in find(traced, block, value)]
    else:
        patterns = [where] if isinstance(where, str) else list(where)
        blocks = [block for block, _ in _branches(traced)]
        paths = [path for pattern in patterns for path in _matching(traced, pattern, role)]
        found = [_named(traced, path, role, _around(path, blocks)) for path in paths]
    # one place can end two branches, or match two patterns
    unique: dict[str, Site] = {}
    for site in found:
        unique.setdefault(site.path, site)
    return list(unique.values())


def _branches(traced: Trace) -> Iterator[tuple[str, Value]]:
    """Yield every residual branch's block and end, in the order in which the blocks are called."""
    ends: dict[str, list[Value]] = {}
    undecided = set()
    for join in traced.joins:
        if any(len(side.shape) != 4 for side in join.sides):
            continue
        shallow, deep = sorted(join.sides, key=lambda side: len(side.layers))
        if len(shallow.layers) < len(deep.layers):
            ends.setdefault(join.block, []).append(deep)
        else:
            undecided.add(join.block)
    kinds = {type(traced.modules[block]) for block in ends} - {nn.Sequential}
    for path, call in traced.calls.items():
        if path in ends:
            yield from ((path, value) for value in ends[path])
        elif type(traced.modules[path]) in kinds and call.output is not None:
            if path in undecided:
                raise PlugError(
                    f"{path} adds two branches of equally many layers, so neither is the shortcut",
                    hint="pass where= with module paths",
                )
            yield path, call.output


def _ends(traced: Trace, block: str, value: Value) -> list[Site]:
    for path in value.makers:
        if _usable(traced, path) is None:
            return [_gate_site(traced, path, block, value)]
    why = "; ".join(f"{path} {_usable(traced, path)}" for path in value.makers)
    raise PlugError(
        f"the residual branch of {block or 'the model'} has no module at its end: "
        + (why or "it ends in the result of a function"),
        hint="let the branch end in a module of its own, or pass where= with module paths",
    )


def _usable(traced: Trace, path: str) -> str | None:
    """Say why no gate can follow a module; None where one can."""
    module, calls = traced.modules[path], traced.calls[path].count if path in traced.calls else 0
    if calls != 1:
        return f"is called {calls} times"
    if isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
        return "would run what is registered in it"
    return None


def _gate_site(traced: Trace, path: str, block: str, value: Value) -> Site:
    _refuse_taken(traced, path)
    if len(value.shape) != 4:
        raise PlugError(f"{path} returns shape {tuple(value.shape)}, expected (B, C, H, W)")
    _, channels, height, width = value.shape
    last = traced.modules[value.layers[-1]] if value.layers else None
    if isinstance(last, nn.Linear) and channels != last.out_features == width:
        raise PlugError(f"{path} returns (B, H, W, C) with {width} channels, expected (B, C, H, W)")
    return Site(
        path=path,
        role=Role.GATE,
        block=block,
        in_channels=channels,
        channels=channels,
        height=height,
        width=width,
        dtype=value.dtype,
        device=value.device,
    )


def _convolutions(traced: Trace, block: str, value: Value) -> list[Site]:
    named = {path: traced.modules[path] for path in value.layers}
    dense = {p: m for p, m in named.items() if isinstance(m, nn.Conv2d) and m.groups == 1 and _spans(traced, p, value)}
    wide = [p for p, conv in dense.items() if max(conv.kernel_size) > 1]
    if not dense:
        raise PlugError(
            f"the residual branch of {block or 'the model'} has no dense convolution: its layers are {_some(named)}"
        )
    return [_conv_site(traced, path, block) for path in wide[:1] or dense]


def _spans(traced: Trace, path: str, end: Value) -> bool:
    """Tell a convolution over features from one over pooled channels, as a gate of the network's own has it."""
    made = traced.calls[path].output
    return made is not None and made.shape[-2] >= end.shape[-2] and made.shape[-1] >= end.shape[-1]


def _conv_site(traced: Trace, path: str, block: str) -> Site:
    _refuse_taken(traced, path)
    conv, call = traced.modules[path], traced.calls.get(path)
    if type(conv) is not nn.Conv2d or conv.padding_mode != "zeros":
        raise PlugError(f"{path} is {conv}, expected a plain nn.Conv2d that pads with zeros")
    if call is None or call.count != 1 or call.input is None or call.output is None:
        raise PlugError(f"{path} is called {call.count if call else 0} times, expected once")
    return Site(
        path=path,
        role=Role.CONV,
        block=block,
        in_channels=conv.in_channels,
        channels=conv.out_channels,
        height=call.input[-2],
        width=call.input[-1],
        dtype=conv.weight.dtype,
        device=conv.weight.device,
        conv=_arguments(path, conv),
    )


def _arguments(path: str, conv: nn.Conv2d) -> dict[str, Any]:
    padding = conv.padding
    if isinstance(padding, str):
        whole = [d * (k - 1) * (padding == "same") for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
        if any(n % 2 for n in whole):
            raise PlugError(f"{path} is {conv}, whose two sides have different padding", hint="leave it out of where=")
        padding = (whole[0] // 2, whole[1] // 2)
    pairs = {"kernel_size": conv.kernel_size, "stride": conv.stride, "padding": padding, "dilation": conv.dilation}
    return {
        "in_channels": conv.in_channels,
        "out_channels": conv.out_channels,
        **{name: pair[0] if pair[0] == pair[1] else pair for name, pair in pairs.items()},
        "groups": conv.groups,
        "bias": conv.bias is not None,
    }


def _refuse_taken(traced: Trace, path: str) -> None:
    host = path.removesuffix(f".{CHILD}")
    if host != path or CHILD in traced.modules[path]._modules:
        raise PlugError(f"{host} already carries an inserted mechanism", hint="undo that receipt first")


def _matching(traced: Trace, pattern: str, role: Role) -> list[str]:
    """Return the modules that a pattern names, convolutions only where one is to be replaced."""
    kind = nn.Conv2d if role is Role.CONV else nn.Module
    known = [path for path, module in traced.modules.items() if path and isinstance(module, kind)]
    found = [path for path in known if fnmatchcase(path, pattern)]
    if not found:
        what = "nn.Conv2d" if role is Role.CONV else "module"
        raise PlugError(
            f"no {what} matches where={pattern!r}", hint=f"there are {_some(nearest(pattern, known, 4) or known)}"
        )
    return found


def _named(traced: Trace, path: str, role: Role, block: str) -> Site:
    if role is Role.CONV:
        return _conv_site(traced, path, block)
    call = traced.calls.get(path)
    if call is None or call.output is None:
        raise PlugError(f"{path} returns no tensor, or is not called", hint="pass the path of another module")
    if _usable(traced, path) is None:
        return _gate_site(traced, path, block, call.output)
    # what a container returns, its last module returns too
    return _ends(traced, path, call.output)[0]


def _around(path: str, blocks: list[str]) -> str:
    return max((b for b in blocks if path == b or path.startswith(f"{b}.")), key=len, default="")


def _some(paths: Sequence[str] | dict[str, nn.Module]) -> str:
    shown = ", ".join(list(paths)[:4])
    return f"{shown}, ... ({len(paths)} in all)" if len(paths) > 4 else shown
