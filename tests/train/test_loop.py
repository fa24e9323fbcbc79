import numpy as np
import pytest
import torch
from torch import nn

from visattn.data import load
from visattn.train import TrainConfig, fit
from visattn.zoo import backbone

CONFIG = TrainConfig(epochs=3, batch_size=128)


@pytest.fixture(scope="module")
def digits():
    return load("digits", size=8)


def model():
    torch.manual_seed(0)
    return backbone("resnet8", num_classes=10, in_channels=1)


def test_a_small_network_learns_digits(digits):
    fitted = fit(model(), digits, TrainConfig(epochs=4, batch_size=64), seed=0)
    assert fitted.curve.val_accuracy[-1] > 90
    assert fitted.diverged == ""
    assert np.mean(fitted.predicted == digits.val.labels) * 100 == pytest.approx(fitted.curve.val_accuracy[-1])


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(digits):
    first, again, other = (fit(model(), digits, CONFIG, seed=s).curve for s in (1, 1, 2))
    assert first.train_loss == again.train_loss
    assert first.val_loss == again.val_loss
    assert first.train_loss != other.train_loss


class Noisy(nn.Module):
    """Has dropout, so that the global generator matters."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))

    def forward(self, x):
        return self.net(x)


def test_a_resumed_run_equals_an_uninterrupted_one(digits, tmp_path):
    def build():
        torch.manual_seed(0)
        return Noisy()

    class StopError(Exception):
        pass

    def stop(curve):
        if curve.epoch[-1] == 3:
            raise StopError

    config, path = TrainConfig(epochs=5, batch_size=128), tmp_path / "last.pt"
    whole_model, resumed_model = build(), build()
    whole = fit(whole_model, digits, config, seed=4)
    with pytest.raises(StopError):
        fit(build(), digits, config, seed=4, checkpoint=path, save_every=0.0, on_epoch=stop)
    epochs = []
    torch.manual_seed(99)
    resumed = fit(resumed_model, digits, config, seed=4, checkpoint=path, on_epoch=lambda c: epochs.append(c.epoch[-1]))
    assert epochs == [3, 4, 5]  # the checkpoint is from the end of epoch 2: epoch 3 had not been saved
    assert resumed.curve.train_loss == whole.curve.train_loss
    assert np.array_equal(resumed.predicted, whole.predicted)
    for a, b in zip(whole_model.parameters(), resumed_model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_loss_that_is_not_finite_ends_the_run_and_is_reported(digits):
    fitted = fit(model(), digits, TrainConfig(epochs=3, lr=1e30, warmup=0.0), seed=0)
    assert "the loss was" in fitted.diverged
    assert "epoch 1" in fitted.diverged


def test_clipping_limits_the_step(digits):
    moved = []
    for clip in (0.0, 1e-6):
        net = model()
        before = net.fc.weight.detach().clone()
        fit(net, digits, TrainConfig(epochs=1, batch_size=512, clip=clip, weight_decay=0.0), seed=0)
        moved.append((net.fc.weight - before).norm().item())
    assert moved[1] < 1e-4 < moved[0]
