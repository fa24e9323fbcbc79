import sys

import numpy as np
import pytest
from sklearn import datasets

from visattn.core.errors import ConfigError
from visattn.data.digits import load_digits


def test_the_digits_are_those_of_scikit_learn() -> None:
    data = load_digits(size=8)
    found = datasets.load_digits()
    ours = np.concatenate([data.train.images, data.val.images])[:, 0].reshape(1797, -1)
    theirs = np.rint(found.images * (255 / 16)).astype(np.uint8).reshape(1797, -1)
    assert sorted(map(bytes, ours)) == sorted(map(bytes, theirs))
    by_pixels = {bytes(p): int(label) for p, label in zip(theirs, found.target, strict=True)}
    assert [by_pixels[bytes(i.ravel())] for i in data.val.images] == data.val.labels.tolist()


def test_what_is_said_about_them() -> None:
    data = load_digits()
    assert data.name == "digits"
    assert data.classes == tuple("0123456789")
    assert not data.flip
    assert data.train.images.shape[1:] == (1, 16, 16)
    assert len(data.val) / 1797 == pytest.approx(0.3, abs=0.005)
    share = np.bincount(data.val.labels) / np.bincount(np.concatenate([data.train.labels, data.val.labels]))
    assert np.abs(share - 0.3).max() < 0.01


def test_enlarging_keeps_the_brightness() -> None:
    small, large = load_digits(size=8), load_digits(size=32)
    assert large.train.images.shape[1:] == (1, 32, 32)
    assert large.mean[0] == pytest.approx(small.mean[0], abs=0.01)


def test_seed_and_fraction_decide_what_is_held_out() -> None:
    first, again, other = (load_digits(split_seed=s) for s in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert len(load_digits(val_fraction=0.1).val) == pytest.approx(180, abs=5)


def test_missing_scikit_learn_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ConfigError, match=r'need scikit-learn, which is missing: pip install "visattn\[compare\]"'):
        load_digits()
