import math

import torch

from visattn.layers.sequence.caption_losses import doubly_stochastic_penalty, hard_attention_loss


def test_penalty_by_hand() -> None:
    """Two steps over three locations, sums 1, 0.5 and 0.5 in one image, and 2, 0 and 0 in the other."""
    weights = torch.tensor([[[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]], [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    assert doubly_stochastic_penalty(weights).item() == (0.5 + 3) / 2


def test_penalty_is_0_where_every_location_is_seen_once() -> None:
    assert doubly_stochastic_penalty(torch.eye(4)[None, torch.randperm(4)]).item() == 0


def test_hard_loss_by_hand() -> None:
    weights = torch.tensor([[[0.25, 0.75], [0.5, 0.5]]])
    choice = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    loss = hard_attention_loss(
        weights, choice, torch.tensor([-2.0]), torch.tensor(-5.0), reinforce_weight=0.5, entropy_weight=0.25
    )
    entropy = -0.25 * math.log(0.25) - 0.75 * math.log(0.75) + math.log(2)
    expected = -0.5 * 3 * (math.log(0.25) + math.log(0.5)) - 0.25 * entropy
    torch.testing.assert_close(loss.item(), expected, rtol=1e-6, atol=0)


def test_the_gradient_is_that_of_the_authors_code() -> None:
    """Per image: (b − NLL) / 10 · (−s / α) + 0.002 (log α + 1), with b and NLL positive numbers."""
    weights = torch.randn(1, 3, 5, dtype=torch.float64).softmax(dim=2).requires_grad_()
    choice = torch.eye(5, dtype=torch.float64)[None, [4, 0, 2]]
    nll, baseline = 7.0, 5.0
    hard_attention_loss(weights, choice, torch.tensor([-nll]), torch.tensor(-baseline)).backward()
    expected = (baseline - nll) / 10 * (-choice / weights) + 0.002 * (weights.log() + 1)
    torch.testing.assert_close(weights.grad, expected.detach())


def test_the_expected_value_in_place_of_a_draw_only_has_the_entropy() -> None:
    scores = torch.randn(1, 3, 5, dtype=torch.float64, requires_grad=True)
    grads = [
        torch.autograd.grad(hard_attention_loss(w, w, torch.tensor([r]), torch.tensor(0.0)), scores)[0]
        for r in (0.0, 100.0)
        for w in (scores.softmax(dim=2),)
    ]
    assert grads[0].abs().max() > 0
    torch.testing.assert_close(grads[0], grads[1])


def test_a_weight_of_0_is_finite() -> None:
    weights = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    loss = hard_attention_loss(weights, torch.tensor([[[1.0, 0.0]]]), torch.tensor([1.0]), torch.tensor(0.0))
    loss.backward()
    assert loss.isfinite() and weights.grad.isfinite().all()
