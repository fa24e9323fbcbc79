import math

import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.sequence.additive_attention import AdditiveAttention


def randomised(*sizes: int, **options: int) -> AdditiveAttention:
    module = AdditiveAttention(*sizes, **options).double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module


def features(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_by_hand() -> None:
    """One unit with W = 0 and U = v = 1 scores atanh(½) as ½ and 0 as 0: weights e^½ : 1."""
    module = AdditiveAttention(1, 1).double()
    with torch.no_grad():
        module.scores.query.weight.zero_()
        module.scores.memory.weight.fill_(1)
        module.scores.score.weight.fill_(1)
    memory = torch.tensor([[[math.atanh(0.5)], [0.0]]], dtype=torch.float64)
    context, weights = module(features(1, 1, 1), memory)
    share = math.sqrt(math.e) / (1 + math.sqrt(math.e))
    expected = torch.tensor([[[share, 1 - share]]], dtype=torch.float64)
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(context, share * memory[:, :1])


def test_published_initialisation_weighs_all_members_alike() -> None:
    module, memory = AdditiveAttention(400, 500), torch.randn(2, 7, 500)
    context, weights = module(torch.randn(2, 3, 400), memory)
    torch.testing.assert_close(weights, torch.full((2, 3, 7), 1 / 7))
    torch.testing.assert_close(context, memory.mean(dim=1, keepdim=True).expand(2, 3, 500))
    for weight in (module.scores.query.weight, module.scores.memory.weight):
        assert weight.std().item() == pytest.approx(0.001, rel=0.02)


def test_members_have_no_order_and_queries_do_not_meet() -> None:
    module, query, memory = randomised(4, 6), features(2, 3, 4), features(2, 7, 6)
    context, weights = module(query, memory)
    order = torch.randperm(7)
    shuffled, shuffled_weights = module(query, memory[:, order])
    torch.testing.assert_close(shuffled, context)
    torch.testing.assert_close(shuffled_weights, weights[:, :, order])
    torch.testing.assert_close(module(query[:, 1:2], memory)[0], context[:, 1:2])


def test_a_mask_is_as_if_the_members_were_not_there() -> None:
    module, query, memory = randomised(4, 6), features(2, 3, 4), features(2, 7, 6)
    mask = (torch.arange(7) < 5).expand(2, 7)
    context, weights = module(query, memory, mask)
    torch.testing.assert_close(context, module(query, memory[:, :5])[0])
    assert (weights[:, :, 5:] == 0).all()
    assert (module(query, memory, ~mask & mask)[0] == 0).all()


def test_the_projection_can_be_made_once() -> None:
    module, query, memory = randomised(4, 6, attention_features=5), features(2, 3, 4), features(2, 7, 6)
    assert torch.equal(module(query, memory, projected=module.project(memory))[0], module(query, memory)[0])


def test_the_bias_of_the_scores_cancels_and_large_scores_do_not_overflow() -> None:
    module, query, memory = randomised(4, 6), features(2, 3, 4), features(2, 7, 6)
    expected = module(query, memory)
    with torch.no_grad():
        module.scores.score.bias.fill_(1000)
    torch.testing.assert_close(module(query, memory), expected)


def test_parameters() -> None:
    module = AdditiveAttention(1000, 2000, attention_features=1000)
    assert sum(p.numel() for p in module.parameters()) == 3 * 1000**2 + 2 * 1000 + 1


@pytest.mark.parametrize("sizes", [(0, 4, 4), (4, 0, 4), (4, 4, 0)])
def test_errors(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ShapeError, match=r"additive_attention got \w+=0, expected at least 1"):
        AdditiveAttention(*sizes[:2], attention_features=sizes[2])
