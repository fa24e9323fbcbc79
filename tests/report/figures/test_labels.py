import numpy as np
import pytest

from visattn.report.figures.labels import _CHARACTER, _LINE, Spot, place_labels

SHIFT = {"start": 0.0, "middle": 0.5, "end": 1.0}


def boxes(spots, labels):
    for spot, label in zip(spots, labels, strict=True):
        if label.shown:
            long = _CHARACTER * len(label.text)
            left = spot.x + label.dx - SHIFT[label.anchor] * long
            middle = spot.y + label.dy
            yield left, middle - _LINE / 2, left + long, middle + _LINE / 2


def meet(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.parametrize("count", [2, 12, 40])
@pytest.mark.parametrize("spread", [15, 150])
def test_shown_labels_cover_neither_each_other_nor_points_nor_the_edge(count, spread):
    rng = np.random.default_rng(count)
    places = np.clip(rng.normal((280, 210), spread, (count, 2)), 10, 400)
    spots = [Spot(x=x, y=y, text=f"mechanism {i}", rank=i % 3) for i, (x, y) in enumerate(places)]
    labels = place_labels(spots, 560, 420)
    assert [label.text for label in labels] == [spot.text for spot in spots]
    shown = list(boxes(spots, labels))
    assert len(shown) >= min(count, 5)
    for i, box in enumerate(shown):
        assert not any(meet(box, other) for other in shown[:i])
        assert not any(meet(box, (s.x - 8, s.y - 8, s.x + 8, s.y + 8)) for s in spots)
        assert box[0] >= 0 and box[1] >= 0 and box[2] <= 560 and box[3] <= 420


def test_the_important_one_wins_the_room():
    spots = [Spot(x=100, y=100, text="a" * 12, rank=2), Spot(x=100, y=100, text="b" * 12, rank=0)]
    alone, first = place_labels(spots, 220, 24 + 100)
    assert (first.dx, first.dy, first.shown) == (12, 0, True)
    assert (alone.dx, alone.dy) != (12, 0)


def test_without_room_the_label_is_kept_but_not_shown():
    [label] = place_labels([Spot(x=50, y=10, text="a long name", rank=0)], 60, 20)
    assert (label.text, label.shown) == ("a long name", False)


def test_lines_are_avoided():
    spot = Spot(x=50, y=100, text="se", rank=0)
    [label] = place_labels([spot], 200, 200, avoid=[((50, 100), (200, 100))])
    assert label.anchor == "end"
