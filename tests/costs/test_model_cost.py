import json

import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError
from visattn.costs import ModelCost, cost


def network(width):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 2),
    )


class NotImportable(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.function = lambda x: x

    def forward(self, x, y):
        return self.function(self.layer(x + y))


@pytest.fixture(scope="module")
def measured():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return cost(network(64), torch.randn(4, 3, 64, 64), baseline=network(16), rounds=5)


def test_counts_are_those_of_the_formulas(measured):
    assert measured.params == 64 * 27 + 2 * 64 + 64 * 2 + 2
    assert measured.macs == 4 * (64 * 27 * 64 * 64 + 64 * 2)
    assert measured.uncounted == {}
    assert measured.baseline.macs == 4 * (16 * 27 * 64 * 64 + 16 * 2)


def test_wider_model_costs_more_of_everything(measured):
    assert measured.ratios.keys() == {"params", "macs", "latency", "train_step", "peak_memory"}
    assert all(ratio > 1.3 for ratio in measured.ratios.values())
    assert measured.train_step.seconds_min > measured.latency.seconds_min
    # at least the outputs of convolution, normalisation and activation, once
    assert measured.peak_memory > 2 * 4 * 64 * 64 * 64 * 4
    assert measured.baseline.ratios == dict.fromkeys(measured.ratios, 1)


def test_json_round_trip(measured):
    values = json.loads(json.dumps(measured.to_json()))
    assert values["latency"]["ratio"] == measured.latency.ratio
    assert values["baseline"]["macs"] == measured.baseline.macs
    assert values["ratios"] == measured.ratios


def test_table_is_its_text(measured):
    first, *lines = str(measured).splitlines()
    assert first.split() == ["model", "baseline", "ratio"]
    names = ["parameters", "MACs", "forward pass", "training step", "peak memory"]
    assert all(line.startswith(name) for line, name in zip(lines, names, strict=True))


def test_model_that_does_not_pickle_has_no_peak_memory():
    measured = cost(NotImportable(), (torch.ones(1, 2), torch.ones(1, 2)), training=False, rounds=2)
    assert isinstance(measured, ModelCost)
    assert measured.peak_memory is None
    assert measured.ratios["peak_memory"] is None
    assert "cannot be pickled" in measured.no_peak_memory
    assert "no peak memory of the model" in str(measured)
    assert measured.train_step is None


def test_example_that_does_not_fit_is_told():
    with pytest.raises(ConfigError, match=r"Sequential cannot take an example of shape \(1, 4, 8, 8\).*another size"):
        cost(network(4), torch.ones(1, 4, 8, 8))


def test_example_that_cannot_be_trained_on_is_told():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3))
    with pytest.raises(ConfigError, match=r"cannot be trained on an example of shape \(1, 3, 8, 8\).*batch"):
        cost(model, torch.ones(1, 3, 8, 8), rounds=2)


def test_frozen_model_is_told_to_leave_training_out():
    with pytest.raises(ConfigError, match="pass training=False"):
        cost(network(4).requires_grad_(False), torch.ones(1, 3, 8, 8), rounds=2)


def test_model_stays_as_it_was():
    model = network(4)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ConfigError, match="pass training=False"):
        cost(model.requires_grad_(False), torch.ones(2, 3, 8, 8), rounds=2)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert model.training
