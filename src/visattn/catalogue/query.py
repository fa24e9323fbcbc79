"""Finding mechanisms and building them by name."""

from functools import cache
from typing import Any

from torch import nn

from visattn.catalogue.table import SPECS
from visattn.core.errors import ConfigError
from visattn.core.names import nearest, unknown_name
from visattn.core.spec import Role, Spec


@cache
def _by_name() -> dict[str, Spec]:
    return {s.name: s for s in SPECS}


def list_mechanisms(*, role: Role | str | None = None, family: str | None = None) -> list[str]:
    """Return the names of all mechanisms, sorted; `role` and `family` narrow the list.

    >>> "se" in list_mechanisms(role="gate")
    True

    Raises:
        ConfigError: `role` is none of the roles.
    """
    if role is not None and role not in list(Role):
        raise ConfigError(f"unknown role {role!r}", hint=f"expected one of {', '.join(Role)}")
    return sorted(s.name for s in SPECS if role in (None, s.role) and family in (None, s.family))


def spec(name: str) -> Spec:
    """Return what is known about one mechanism.

    >>> spec("se").paper.year
    2018

    Raises:
        UnknownNameError: No mechanism has that name; the message holds the nearest names.
    """
    try:
        return _by_name()[name]
    except KeyError:
        raise unknown_name("mechanism", name, _by_name(), see="visattn list") from None


def create(name: str, *args: Any, **options: Any) -> nn.Module:
    """Build a mechanism by name with the arguments of its class.

    >>> create("se", channels=64, reduction=8).reduce.out_features
    8

    Raises:
        UnknownNameError: No mechanism has that name.
        ConfigError: An option is not one of the mechanism's.
    """
    known = spec(name)
    check_options(known, options)
    try:
        return known.build(*args, **options)
    except TypeError as error:
        raise ConfigError(f"{name} cannot be built: {error}", hint=f"see visattn show {name}") from error


_SHAPE_ARGUMENTS = {
    Role.GATE: {"channels"},
    Role.CONV: {
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "bias",
    },
    Role.HEAD: {"in_channels", "out_channels"},
    Role.SEQUENCE: {"query_features", "memory_features"},
    Role.GAZE: {"channels"},
}


def check_options(known: Spec, options: dict[str, Any]) -> None:
    """Raise `ConfigError` for an option that the mechanism does not have, naming the nearest.

    >>> check_options(spec("se"), {"reductoin": 8})
    Traceback (most recent call last):
    visattn.core.errors.ConfigError: se has no option 'reductoin': did you mean 'reduction'?
    """
    size = {"height", "width"} if known.fixed_size else set()
    allowed = {*known.options, *_SHAPE_ARGUMENTS.get(known.role, set()), *size}
    for option in options:
        if option not in allowed:
            close = nearest(option, allowed, count=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(sorted(known.options)) or 'none'}"
            raise ConfigError(f"{known.name} has no option {option!r}", hint=hint)
