import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.sequence.masked_softmax import masked_softmax

SCORES = torch.randn(2, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
KEPT = torch.tensor([[True, True, False, True, False], [False, True, True, True, True]])


def test_without_a_mask_it_is_the_softmax() -> None:
    assert torch.equal(masked_softmax(SCORES), SCORES.softmax(dim=2))
    assert torch.equal(masked_softmax(SCORES, torch.ones(2, 5, dtype=torch.bool)), SCORES.softmax(dim=2))


def test_it_is_the_softmax_of_the_kept_members_alone() -> None:
    weights = masked_softmax(SCORES, KEPT)
    for sample in range(2):
        torch.testing.assert_close(weights[sample][:, KEPT[sample]], SCORES[sample][:, KEPT[sample]].softmax(dim=1))
        assert (weights[sample][:, ~KEPT[sample]] == 0).all()


def test_a_left_out_score_does_not_matter_however_large() -> None:
    large = SCORES.masked_fill(~KEPT[:, None], 1e30)
    torch.testing.assert_close(masked_softmax(large, KEPT), masked_softmax(SCORES, KEPT))


def test_nothing_kept_weighs_nothing_and_has_finite_gradients() -> None:
    scores = SCORES.clone().requires_grad_()
    weights = masked_softmax(scores, torch.zeros(2, 5, dtype=torch.bool))
    assert (weights == 0).all()
    weights.sum().backward()
    assert (scores.grad == 0).all()


def test_a_mask_for_each_query_and_for_heads() -> None:
    causal = torch.ones(5, 5, dtype=torch.bool).tril()[None]
    scores = torch.randn(2, 4, 5, 5)
    weights = masked_softmax(scores, causal)
    assert (weights.triu(1) == 0).all()
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(2, 4, 5))
    torch.testing.assert_close(weights[:, 1], masked_softmax(scores[:, 1], causal.expand(2, 5, 5)))


@pytest.mark.parametrize("shape", [(2, 4), (3, 5), (2, 3, 4), (5,), (2, 1, 1, 5)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"for 2 sets, 3 queries and 5 members: pass \(2, 5\) or \(2, 3, 5\)"):
        masked_softmax(SCORES, torch.ones(shape, dtype=torch.bool))
