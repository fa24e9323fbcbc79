"""Placing names beside points so that none covers another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Point = tuple[float, float]

_CHARACTER, _LINE, _MARK = 7.0, 16.0, 9.0
_MANY = 15  # points: beyond it, long leader lines are for ranks 0 and 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """A point in pixels that wants a name; a lower rank is served first."""

    x: float
    y: float
    text: str
    rank: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A name with its offset from the point in pixels; not shown where there was no room."""

    text: str
    dx: float
    dy: float
    anchor: str
    shown: bool


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def place_labels(
    spots: Sequence[Spot], width: float, height: float, avoid: Sequence[tuple[Point, Point]] = ()
) -> list[Label]:
    """Give every spot a label, in the order of `spots`; those that fit nowhere are marked as not shown.

    Args:
        spots: The points, in pixels of the plot.
        width: Width of the plot.
        height: Height of the plot.
        avoid: Level or upright line segments that no label should cross.

    >>> alone = place_labels([Spot(x=50, y=50, text="se", rank=0)], 200, 100)[0]
    >>> alone.dx > 0, alone.shown
    (True, True)
    """
    taken = [_Box(s.x - _MARK, s.y - _MARK, s.x + _MARK, s.y + _MARK) for s in spots]
    taken += [_Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)) for (x1, y1), (x2, y2) in avoid]
    labels: dict[int, Label] = {}
    for i in sorted(range(len(spots)), key=lambda i: (spots[i].rank, spots[i].y)):
        spot = spots[i]
        for dx, dy, anchor in _candidates(near=len(spots) > _MANY and spot.rank > 1):
            box = _box(spot, dx, dy, anchor)
            inside = box.left >= 0 and box.right <= width and box.top >= 0 and box.bottom <= height
            if inside and not any(box.meets(other) for other in taken):
                taken.append(box)
                labels[i] = Label(text=spot.text, dx=dx, dy=dy, anchor=anchor, shown=True)
                break
        else:
            labels[i] = _hidden(spot, width)
    return [labels[i] for i in range(len(spots))]


def _candidates(*, near: bool) -> Iterator[tuple[float, float, str]]:
    """Yield offsets, the nearest first: beside, above and below, then on a leader line, a short one if `near`."""
    yield from ((12, 0, "start"), (-12, 0, "end"), (0, -16, "middle"), (0, 16, "middle"))
    for far in (18,) if near else (18, 30, 44, 60):
        for up in (-far, far):
            yield from ((14, up, "start"), (-14, up, "end"), (0.8 * far, up, "start"), (-0.8 * far, up, "end"))


def _box(spot: Spot, dx: float, dy: float, anchor: str) -> _Box:
    long = _CHARACTER * len(spot.text)
    left = spot.x + dx - {"start": 0.0, "middle": long / 2, "end": long}[anchor]
    return _Box(left - 2, spot.y + dy - _LINE / 2, left + long + 2, spot.y + dy + _LINE / 2)


def _hidden(spot: Spot, width: float) -> Label:
    left = spot.x > width / 2
    return Label(text=spot.text, dx=-12 if left else 12, dy=0, anchor="end" if left else "start", shown=False)
