"""How the report writes numbers: with a true minus sign, the same digits everywhere, a dash for what is missing."""

from collections.abc import Sequence

MISSING = "–"


def plain(value: float | None, digits: int = 2) -> str:
    """Write a number with a fixed number of decimals.

    >>> plain(-1.234), plain(None)
    ('−1.23', '–')
    """
    if value is None:
        return MISSING
    written = f"{abs(value):.{digits}f}"
    return f"−{written}" if value < 0 and float(written) else written


def signed(value: float | None, digits: int = 2) -> str:
    """Write a difference with its sign; what rounds to zero has none.

    >>> signed(0.1), signed(-0.1), signed(0.001)
    ('+0.10', '−0.10', '0.00')
    """
    if value is None:
        return MISSING
    written = plain(value, digits)
    return f"+{written}" if value > 0 and float(written) else written


def interval(ends: Sequence[float] | None, digits: int = 2) -> str:
    """Write both ends of an interval of a difference.

    >>> interval([-0.4, 0.6]), interval(None)
    ('[−0.40, +0.60]', '–')
    """
    return MISSING if ends is None else f"[{signed(ends[0], digits)}, {signed(ends[1], digits)}]"


def spread(mean: float | None, sd: float | None) -> str:
    """Write a mean with its standard deviation, where there is one.

    >>> spread(98.04, 0.21), spread(98.04, None), spread(None, None)
    ('98.04 ± 0.21', '98.04', '–')
    """
    return plain(mean) if sd is None else f"{plain(mean)} ± {plain(sd)}"


def times(ratio: float | None) -> str:
    """Write a ratio to the baseline.

    >>> times(1.084), times(41.26), times(None)
    ('1.08×', '41.3×', '–')
    """
    return MISSING if ratio is None else f"{ratio:.{2 if ratio < 9.995 else 1}f}×"


def probability(p: float | None) -> str:
    """Write a p-value.

    >>> probability(0.0412), probability(0.0002), probability(1.0)
    ('0.041', '< 0.001', '1.000')
    """
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def amount(count: float | None) -> str:
    """Write a count of parameters or MACs with three digits and a decimal unit.

    >>> amount(0), amount(754), amount(77754), amount(25.6e6), amount(4.1e9)
    ('0', '754', '77.8 k', '25.6 M', '4.10 G')
    """
    if count is None:
        return MISSING
    size, units = float(abs(count)), ["", " k", " M", " G", " T"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop(0)
    digits = 0 if units[0] == "" or size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{'−' if count < 0 else ''}{size:.{digits}f}{units[0]}"


def duration(seconds: float) -> str:
    """Write a time span with two units at most.

    >>> duration(4.21), duration(301), duration(7260)
    ('4.2 s', '5 min 1 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
