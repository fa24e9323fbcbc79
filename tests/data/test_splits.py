import numpy as np
import pytest

from visattn.core.errors import ConfigError, DataError
from visattn.data.splits import stratified

LABELS = np.repeat([0, 1, 2], [50, 10, 2])
CLASSES = ("many", "some", "two")


def test_every_index_is_in_one_part_and_every_class_in_both() -> None:
    train, val = stratified(LABELS, CLASSES, fraction=0.2, seed=0)
    assert sorted([*train, *val]) == list(range(len(LABELS)))
    assert np.bincount(LABELS[train]).tolist() == [40, 8, 1]
    assert np.bincount(LABELS[val]).tolist() == [10, 2, 1]
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(val) > 0)


@pytest.mark.parametrize(("fraction", "held_out"), [(0.001, [1, 1, 1]), (0.999, [49, 9, 1])])
def test_no_part_of_a_class_is_ever_empty(fraction: float, held_out: list[int]) -> None:
    _, val = stratified(LABELS, CLASSES, fraction=fraction, seed=0)
    assert np.bincount(LABELS[val]).tolist() == held_out


def test_the_seed_decides() -> None:
    parts = [stratified(LABELS, CLASSES, fraction=0.2, seed=seed)[1].tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


def test_a_class_is_divided_alike_whatever_the_others_have() -> None:
    _, val = stratified(LABELS, CLASSES, fraction=0.2, seed=0)
    _, alone = stratified(LABELS[:55], CLASSES[:2], fraction=0.2, seed=0)
    assert val[LABELS[val] == 0].tolist() == alone[LABELS[alone] == 0].tolist()


def test_a_class_with_one_image_is_refused() -> None:
    with pytest.raises(DataError, match="the class 'b' has 1 image, expected at least two: one is needed to learn"):
        stratified(np.array([0, 0, 1]), ("a", "b"), fraction=0.2, seed=0)


@pytest.mark.parametrize("fraction", [0, 1, -0.2, float("nan")])
def test_a_fraction_outside_0_to_1_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match=r"val_fraction=.*, expected a number between 0 and 1: try 0\.2"):
        stratified(LABELS, CLASSES, fraction=fraction, seed=0)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="split_seed=-1, expected 0 or above"):
        stratified(LABELS, CLASSES, fraction=0.2, seed=-1)
