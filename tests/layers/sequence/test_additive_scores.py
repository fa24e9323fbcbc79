import pytest
import torch

from visattn.core.errors import ConfigError
from visattn.layers.sequence.additive_scores import AdditiveScores, scores_macs, scores_params


def test_by_hand() -> None:
    """One hidden unit, W = 2, U = 3, b = 1, v = 5, c = 7: the score is 5 · relu(2 q + 3 m + 1) + 7."""
    scores = AdditiveScores(1, 1, 1, activation="relu")
    values = {"query.weight": 2, "memory.weight": 3, "memory.bias": 1, "score.weight": 5, "score.bias": 7}
    with torch.no_grad():
        for name, value in values.items():
            scores.get_parameter(name).fill_(value)
    query, memory = torch.tensor([[[1.0], [-2.0]]]), torch.tensor([[[0.0], [1.0], [-5.0]]])
    expected = torch.tensor([[[22.0, 37.0, 7.0], [7.0, 7.0, 7.0]]])
    assert torch.equal(scores(query, scores.project(memory)), expected)


def test_deeper_layers_are_tanh_and_leave_the_query_alone() -> None:
    scores, memory = AdditiveScores(4, 6, 5, depth=3), torch.randn(2, 7, 6)
    hidden = scores.memory(memory)
    expected = torch.tanh(scores.deeper[1](torch.tanh(scores.deeper[0](hidden))))
    assert torch.equal(scores.project(memory), expected)


def test_cost_of_a_case_by_hand() -> None:
    assert sum(p.numel() for p in AdditiveScores(4, 6, 5).parameters()) == scores_params(4, 6, 5) == 20 + 30 + 5 + 6
    assert scores_macs(4, 6, 5, queries=2, members=3) == 2 * 20 + 3 * 30 + 6 * 5


def test_unknown_activation() -> None:
    with pytest.raises(ConfigError, match="additive scores got activation='gelu', expected one of 'tanh', 'relu'"):
        AdditiveScores(4, 6, 5, activation="gelu")
