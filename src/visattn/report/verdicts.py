"""How a verdict is written and marked: never by colour alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One kind of outcome.

    Attributes:
        mark: Name of its icon and of its CSS class, `icon-…` and `v-…`.
        word: What a table says.
        many: How several of them are counted, as in "3 without evidence".
        sign: One character for the terminal.
        style: Colour in the terminal.
    """

    mark: str
    word: str
    many: str
    sign: str
    style: str


_ALL = (
    Verdict(mark="helps", word="helps", many="help", sign="▲", style="bold blue"),
    Verdict(mark="hurts", word="hurts", many="hurt", sign="▼", style="bold red"),
    Verdict(mark="no_evidence", word="no evidence", many="without evidence", sign="○", style="default"),
    Verdict(mark="reference", word="baseline", many="baselines", sign="◆", style="bold"),
    Verdict(mark="noise", word="noise", many="noise", sign="□", style="default"),
    Verdict(mark="control", word="control", many="controls", sign="◇", style="default"),
    Verdict(mark="diverged", word="diverged", many="diverged", sign="×", style="magenta"),
    Verdict(mark="failed", word="failed", many="failed", sign="!", style="magenta"),
    Verdict(mark="refused", word="refused", many="refused", sign="∅", style="default"),
)
VERDICTS = {verdict.mark: verdict for verdict in _ALL}


def verdict_of(arm: Mapping[str, Any]) -> Verdict:
    """Return how the verdict of an arm is shown; a control that ran has a mark of its own.

    >>> verdict_of({"kind": "mechanism", "verdict": {"code": "helps"}}).sign
    '▲'
    """
    code = arm["verdict"]["code"]
    return VERDICTS["control" if arm["kind"] == "control" and code in ("reference", "no_evidence") else code]
