import itertools

import pytest
import torch
from torch import nn

from visattn.train import TrainConfig
from visattn.train.optimizer import build_optimizer, learning_rate


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_norms_biases_and_scalars_have_no_decay(kind):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    model.alpha = nn.Parameter(torch.zeros(()))
    groups = build_optimizer(model, TrainConfig(optimizer=kind, weight_decay=0.2)).param_groups
    by_decay = {g["weight_decay"]: [p.dim() for p in g["params"]] for g in groups}
    assert by_decay == {0.2: [4], 0.0: [0, 1, 1, 1]}


def test_frozen_parameters_are_left_out():
    model = nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    assert [len(g["params"]) for g in build_optimizer(model, TrainConfig()).param_groups] == [1]


def test_rate_rises_then_falls_to_nearly_nothing():
    rates = [learning_rate(s, 100, peak=0.4, warmup=0.1) for s in range(100)]
    assert rates[:10] == pytest.approx([0.04 * (i + 1) for i in range(10)])
    assert max(rates) == pytest.approx(0.4)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[-1] < 0.001
