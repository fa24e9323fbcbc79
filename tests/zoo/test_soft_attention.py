import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.zoo.soft_attention import SoftAttention


def test_it_is_the_weighted_mean_of_the_positions():
    attention, x, state = SoftAttention(encoder=8, decoder=6, hidden=4), torch.randn(2, 5, 8), torch.randn(2, 6)
    for b in range(2):
        scores = [attention.score((attention.features(p) + attention.state(state[b])).relu()) for p in x[b]]
        weights = torch.cat(scores).softmax(dim=0)
        assert torch.allclose(attention.weights(x, state)[b], weights, atol=1e-6)
        assert torch.allclose(attention(x, state)[b], sum(w * p for w, p in zip(weights, x[b], strict=True)), atol=1e-6)


def test_sizes_below_one_are_refused():
    with pytest.raises(ShapeError, match="hidden=0"):
        SoftAttention(hidden=0)
