"""Learning from a reward that has no gradient: the score function with a baseline.

Paper: Williams, Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning, 1992.
"""

import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError


def reinforce_loss(log_prob: Tensor, reward: Tensor, baseline: Tensor) -> Tensor:
    """Return a loss whose gradient is an unbiased estimate of minus that of the expected reward.

    `−Σ_t log π(a_t) (R − b)`, averaged over the samples; neither `reward` nor `baseline` gets a gradient.

    Args:
        log_prob: Log probability, or density, of each action that was drawn, (B, T).
        reward: (B,), or (B, T) where it differs from step to step.
        baseline: A number, (B,) or (B, T): what the reward was expected to be, without looking at the action.

    >>> log_prob = torch.tensor([[0.5, 0.25]], requires_grad=True).log()
    >>> round(reinforce_loss(log_prob, torch.tensor([1.0]), torch.tensor(0.0)).item(), 4)
    2.0794
    """
    advantage = (_per_step(reward) - _per_step(baseline)).detach()
    return -(log_prob * advantage).sum(dim=1).mean()


def _per_step(value: Tensor) -> Tensor:
    return value[:, None] if value.dim() == 1 else value


class MovingBaseline(nn.Module):
    """Keep a moving average of the rewards: `b ← 0.9 b + 0.1 · mean(R)`, from 0.

    Args:
        momentum: Weight of the old value.

    Raises:
        ConfigError: `momentum` is not in [0, 1).

    >>> baseline = MovingBaseline()
    >>> round(baseline(torch.tensor([1.0, 3.0])).item(), 6), round(baseline.value.item(), 6)
    (0.0, 0.2)
    """

    value: Tensor

    def __init__(self, momentum: float = 0.9) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise ConfigError(f"the baseline got momentum={momentum}", hint="pass a number from 0 to below 1")
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(()))

    @torch.no_grad()
    def forward(self, reward: Tensor) -> Tensor:
        """Return the average so far; in training, take `reward` into it."""
        before = self.value.clone()
        if self.training:
            self.value.lerp_(reward.mean().to(self.value), 1 - self.momentum)
        return before
