"""Checks of a mechanism's arguments, with one wording for all of them."""

from collections.abc import Iterable, Sequence

from visattn.core.errors import ConfigError, ShapeError


def require_positive(mechanism: str, **values: int) -> None:
    """Raise `ShapeError` unless every value is at least 1.

    >>> require_positive("se", channels=0)
    Traceback (most recent call last):
    visattn.core.errors.ShapeError: se got channels=0, expected at least 1
    """
    for name, value in values.items():
        if value < 1:
            raise ShapeError(f"{mechanism} got {name}={value}, expected at least 1")


def require_odd(mechanism: str, **values: int) -> None:
    """Raise `ShapeError` unless every value is odd and positive.

    >>> require_odd("eca", kernel_size=4)
    Traceback (most recent call last):
    visattn.core.errors.ShapeError: eca got kernel_size=4, expected an odd number: use 3 or 5
    """
    for name, value in values.items():
        if value < 1 or value % 2 == 0:
            near = f"use {max(value - 1, 1)} or {max(value + 1, 3)}"
            raise ShapeError(f"{mechanism} got {name}={value}, expected an odd number", hint=near)


def require_multiple(mechanism: str, of: str, number: int, **values: int) -> None:
    """Raise `ShapeError` unless every value is a multiple of `number`, which is called `of`.

    >>> require_multiple("sk", "groups", 4, in_channels=6)
    Traceback (most recent call last):
    visattn.core.errors.ShapeError: sk got in_channels=6, expected a multiple of groups=4
    """
    for name, value in values.items():
        if value % number:
            raise ShapeError(f"{mechanism} got {name}={value}, expected a multiple of {of}={number}")


def require_choice(mechanism: str, choices: Iterable[str], **values: str) -> None:
    """Raise `ConfigError` unless every value is one of `choices`.

    >>> require_choice("gc", ("att", "avg"), pooling="max")
    Traceback (most recent call last):
    visattn.core.errors.ConfigError: gc got pooling='max', expected one of 'att', 'avg'
    """
    allowed = tuple(choices)
    for name, value in values.items():
        if value not in allowed:
            raise ConfigError(f"{mechanism} got {name}={value!r}, expected one of {', '.join(map(repr, allowed))}")


def require_choices(mechanism: str, choices: Iterable[str], **values: Sequence[str]) -> None:
    """Raise `ConfigError` unless every value is a list of at least one of `choices`, and of nothing else.

    >>> require_choices("gc", ("add", "mul"), fusion=["sub"])
    Traceback (most recent call last):
    visattn.core.errors.ConfigError: gc got fusion=['sub'], expected a list of one or more of 'add', 'mul'
    """
    allowed = tuple(choices)
    for name, value in values.items():
        if isinstance(value, str) or not value or not set(value) <= set(allowed):
            expected = f"a list of one or more of {', '.join(map(repr, allowed))}"
            raise ConfigError(f"{mechanism} got {name}={value!r}, expected {expected}")
