import pytest
import torch

from visattn.core.errors import ConfigError
from visattn.layers.sequence.reinforce import MovingBaseline, reinforce_loss


@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_the_expected_gradient_is_that_of_the_expected_reward(baseline: float) -> None:
    """All three actions at once, each weighed by its probability, in place of samples."""
    logits = torch.tensor([0.3, -1.0, 0.5], dtype=torch.float64, requires_grad=True)
    reward = torch.tensor([1.0, 2.0, -0.5], dtype=torch.float64)
    (expected,) = torch.autograd.grad((logits.softmax(0) * reward).sum(), logits)
    probability = logits.softmax(0).detach()
    losses = [
        reinforce_loss(logits.log_softmax(0)[i].reshape(1, 1), reward[i : i + 1], torch.tensor(baseline))
        for i in range(3)
    ]
    (got,) = torch.autograd.grad((probability * torch.stack(losses)).sum(), logits)
    torch.testing.assert_close(got, -expected)


def test_steps_add_up_and_samples_are_averaged() -> None:
    log_prob = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    reward, baseline = torch.tensor([1.0, 3.0]), torch.tensor([0.5, 1.0])
    assert reinforce_loss(log_prob, reward, baseline).item() == -(3 * 0.5 + 7 * 2) / 2
    each = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert reinforce_loss(log_prob, reward, each).item() == -(0 * 1 + 1 * 2 + 3 * 3 + 2 * 4) / 2


def test_reward_and_baseline_have_no_gradient() -> None:
    parts = [torch.randn(2, requires_grad=True) for _ in range(2)]
    log_prob = torch.randn(2, 3, requires_grad=True)
    reinforce_loss(log_prob, *parts).backward()
    assert log_prob.grad is not None
    assert all(p.grad is None for p in parts)


def test_moving_baseline() -> None:
    baseline = MovingBaseline()
    assert baseline(torch.tensor([10.0, 20.0])) == 0
    torch.testing.assert_close(baseline(torch.tensor([5.0])), torch.tensor(1.5))
    torch.testing.assert_close(baseline.value, torch.tensor(0.9 * 1.5 + 0.5))
    baseline.eval()(torch.tensor([1000.0]))
    torch.testing.assert_close(baseline.state_dict()["value"], torch.tensor(1.85))


def test_momentum_is_checked() -> None:
    with pytest.raises(ConfigError, match="the baseline got momentum=1: pass a number from 0 to below 1"):
        MovingBaseline(1)
