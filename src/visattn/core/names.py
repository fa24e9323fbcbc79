"""Looking a name up in a table, with the nearest names when it is not there."""

import difflib
from collections.abc import Iterable

from visattn.core.errors import UnknownNameError


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` known names that resemble `name`, best first.

    >>> nearest("cbma", ["se", "cbam", "coordatt"])
    ['cbam']
    """
    by_lower = {k.lower(): k for k in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.5)
    return [by_lower[k] for k in found]


def unknown_name(kind: str, name: str, known: Iterable[str], see: str) -> UnknownNameError:
    """Build the error for an unknown name.

    Args:
        kind: What the name should have named, such as "mechanism".
        name: The name that was got.
        known: Every name that would have been right.
        see: Where the names are listed.

    >>> print(unknown_name("mechanism", "cbma", ["se", "cbam"], see="visattn list"))
    unknown mechanism 'cbma': did you mean 'cbam'? See visattn list
    """
    close = nearest(name, known)
    hint = f"did you mean {' or '.join(map(repr, close))}? See {see}" if close else f"see {see}"
    return UnknownNameError(f"unknown {kind} {name!r}", hint=hint)
