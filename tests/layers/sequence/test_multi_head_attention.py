import math

import pytest
import torch
from torch import nn

from visattn.core.errors import ShapeError
from visattn.layers.sequence.multi_head_attention import MultiHeadAttention


def pair(heads: int) -> tuple[MultiHeadAttention, nn.MultiheadAttention]:
    """Return ours and torch's, of 12 features that attend to 8, with the same random weights."""
    ours = MultiHeadAttention(12, 8, heads=heads).double()
    theirs = nn.MultiheadAttention(12, heads, kdim=8, vdim=8, batch_first=True).double()
    with torch.no_grad():
        for p in ours.parameters():
            p.normal_()
        theirs.q_proj_weight.copy_(ours.query.weight)
        theirs.k_proj_weight.copy_(ours.key.weight)
        theirs.v_proj_weight.copy_(ours.value.weight)
        theirs.in_proj_bias.copy_(torch.cat((ours.query.bias, ours.key.bias, ours.value.bias)))
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
    return ours, theirs


def features(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("heads", [1, 3, 12])
def test_it_is_that_of_torch(heads: int) -> None:
    ours, theirs = pair(heads)
    query, memory = features(2, 5, 12), features(2, 7, 8)
    torch.testing.assert_close(ours(query, memory), theirs(query, memory, memory))
    mask = torch.arange(7).expand(2, 7) < torch.tensor([[4], [6]])
    torch.testing.assert_close(ours(query, memory, mask), theirs(query, memory, memory, key_padding_mask=~mask))


def test_by_hand() -> None:
    """Identity projections, one head of 4 features: the scores are q · m / 2."""
    module = MultiHeadAttention(4, 4, heads=1, bias=False)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.eye(4))
    query, memory = torch.tensor([[[2 * math.log(3), 0, 0, 0]]]), torch.eye(4)[None, :2]
    context, weights = module(query, memory)
    torch.testing.assert_close(weights, torch.tensor([[[0.75, 0.25]]]))
    torch.testing.assert_close(context, torch.tensor([[[0.75, 0.25, 0, 0]]]))


def test_weights_of_each_head_and_their_mean() -> None:
    ours, _ = pair(3)
    query, memory = features(2, 5, 12), features(2, 7, 8)
    weights = ours.weights(query, memory)
    assert weights.shape == (2, 3, 5, 7)
    torch.testing.assert_close(ours(query, memory)[1], weights.mean(dim=1))


def test_a_causal_mask_hides_the_future() -> None:
    module, x = MultiHeadAttention(12, 12, heads=3).double(), features(2, 5, 12)
    causal = torch.ones(1, 5, 5, dtype=torch.bool).tril()
    changed = torch.cat((x[:, :3], features(2, 2, 12)), dim=1)
    torch.testing.assert_close(module(changed, changed, causal)[0][:, :3], module(x, x, causal)[0][:, :3])


def test_the_bias_of_the_keys_cancels() -> None:
    ours, _ = pair(3)
    query, memory = features(2, 5, 12), features(2, 7, 8)
    expected = ours(query, memory)
    with torch.no_grad():
        ours.key.bias += 3
    torch.testing.assert_close(ours(query, memory), expected)


def test_where_nothing_is_kept_only_the_bias_is_left() -> None:
    ours, _ = pair(3)
    context, weights = ours(features(2, 5, 12), features(2, 7, 8), torch.zeros(2, 7, dtype=torch.bool))
    assert (weights == 0).all()
    torch.testing.assert_close(context, ours.out.bias.expand(2, 5, 12))


def test_dropout_is_for_training_only_and_spares_the_returned_weights() -> None:
    module = MultiHeadAttention(8, 8, heads=2, dropout=0.5)
    x = torch.randn(2, 5, 8)
    context, weights = module(x, x)
    evaluated = module.eval()(x, x)
    assert not torch.equal(context, evaluated[0])
    assert torch.equal(weights, evaluated[1])


def test_parameters_of_the_base_transformer() -> None:
    assert sum(p.numel() for p in MultiHeadAttention(512, 512).parameters()) == 1_050_624


def test_errors() -> None:
    with pytest.raises(ShapeError, match="multi_head_attention got query_features=10, expected a multiple of heads=8"):
        MultiHeadAttention(10, 8)
    with pytest.raises(ShapeError, match="multi_head_attention got heads=0, expected at least 1"):
        MultiHeadAttention(8, 8, heads=0)
