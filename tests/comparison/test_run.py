import json

import numpy as np
import pytest

from visattn.comparison.plan import Arm
from visattn.comparison.run import EXPLAINED, execute, explained_images, load
from visattn.core.errors import DataError
from visattn.train import TrainConfig

BASELINE = Arm(id="baseline", kind="baseline")


def test_a_finished_run_holds_its_specification_result_predictions_and_heat_maps(make, digits, tmp_path):
    _, setting = make()
    epochs = []
    result = execute(setting, BASELINE, 1, tmp_path / "r", digits, on_epoch=lambda c: epochs.append(c.epoch[-1]))
    assert epochs == [1]
    assert json.loads((tmp_path / "r" / "result.json").read_text()) == result
    assert json.loads((tmp_path / "r" / "spec.json").read_text())["seed"] == 1
    predicted = np.load(tmp_path / "r" / "predicted.npy")
    assert result["accuracy"] == pytest.approx(100 * np.mean(predicted == digits.val.labels))
    assert np.load(tmp_path / "r" / "heatmaps.npy").shape == (EXPLAINED, 12, 12)
    assert not (tmp_path / "r" / "last.pt").exists()


def test_a_diverged_run_is_a_result_too(make, digits, tmp_path):
    _, setting = make(train=TrainConfig(epochs=1, lr=1e30, warmup=0.0))
    result = execute(setting, BASELINE, 0, tmp_path / "r", digits)
    assert (result["status"], result["accuracy"]) == ("diverged", None)
    assert "epoch 1" in result["reason"]
    assert (tmp_path / "r" / "result.json").exists()


def test_explained_images_show_different_classes(digits):
    chosen = explained_images(digits)
    assert chosen == explained_images(digits)
    assert len(set(digits.val.labels[chosen])) == EXPLAINED


def test_data_that_changed_meanwhile_is_refused(make):
    _, setting = make()
    other = type(setting)(**{f: getattr(setting, f) for f in setting.__slots__} | {"fingerprint": "x"})
    with pytest.raises(DataError, match="changed while it was being compared"):
        load(other)
