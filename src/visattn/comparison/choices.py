"""Reading mechanisms with their options from text: `se,cbam(reduction=8),rfaconv(where='layer*.conv1')`."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from visattn.catalogue import spec
from visattn.catalogue.query import check_options
from visattn.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A mechanism as the user chose it: catalogue name, options, and where it goes (None: its published place)."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    where: str | tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """The text that gives this choice again.

        >>> Choice(name="cbam", options={"reduction": 8}).label
        'cbam(reduction=8)'
        """
        shown = dict(self.options) if self.where is None else {**self.options, "where": self.where}
        inside = ", ".join(f"{k}={v if isinstance(v, str) and v.isidentifier() else repr(v)}" for k, v in shown.items())
        return f"{self.name}({inside})" if inside else self.name


def parse_choices(mechanisms: str | Sequence[str | Choice]) -> tuple[Choice, ...]:
    """Read mechanisms from one text or from a sequence of them.

    Args:
        mechanisms: Names with options in brackets, separated by commas. A word as a value means a text.

    Raises:
        ConfigError: The text cannot be read, a mechanism stands twice, or has no such option.
        UnknownNameError: No mechanism has that name.

    >>> [c.label for c in parse_choices("se, cbam(reduction=8, order=parallel)")]
    ['se', 'cbam(reduction=8, order=parallel)']
    """
    parts: Iterable[str | Choice] = [mechanisms] if isinstance(mechanisms, str) else mechanisms
    choices = tuple(c for part in parts for c in ([part] if isinstance(part, Choice) else _parse(part)))
    if not choices:
        raise ConfigError("no mechanism was given", hint="pass --mechanisms se,eca; visattn list shows them all")
    for index, choice in enumerate(choices):
        if choice in choices[:index]:
            raise ConfigError(f"{choice.label} stands twice among the mechanisms", hint="leave one out")
        check_options(spec(choice.name), choice.options)
    return choices


def _parse(text: str) -> list[Choice]:
    how = "write names with options in brackets, such as se,cbam(reduction=8)"
    try:
        # the trailing comma makes one name a tuple too
        body = ast.parse(f"({text.strip().strip(',')},)", mode="eval").body
    except SyntaxError as error:
        raise ConfigError(f"the mechanisms {text!r} cannot be read", hint=how) from error
    if not isinstance(body, ast.Tuple):
        raise ConfigError(f"the mechanisms {text!r} cannot be read", hint=how)
    return [_choice(node, how) for node in body.elts]


def _choice(node: ast.expr, how: str) -> Choice:
    if isinstance(node, ast.Name):
        return Choice(name=node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        options = {k.arg: _value(k.value, how) for k in node.keywords if k.arg}
        where = options.pop("where", None)
        return Choice(name=node.func.id, options=options, where=tuple(where) if isinstance(where, list) else where)
    raise ConfigError(f"{ast.unparse(node)!r} is not a mechanism", hint=how)


def _value(node: ast.expr, how: str) -> Any:
    if isinstance(node, ast.Name):
        return node.id
    try:
        value = ast.literal_eval(node)
    except ValueError as error:
        raise ConfigError(f"the value {ast.unparse(node)!r} cannot be read", hint=how) from error
    return list(value) if isinstance(value, tuple) else value
