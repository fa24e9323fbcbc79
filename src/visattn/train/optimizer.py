"""Parameter groups, optimisers and the learning-rate schedule."""

import math

import torch
from torch import nn

from visattn.train.config import TrainConfig


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Return the optimiser of `config`, with weight decay on matrices and kernels only.

    >>> opt = build_optimizer(nn.Linear(2, 3), TrainConfig(weight_decay=0.1))
    >>> [(g["weight_decay"], len(g["params"])) for g in opt.param_groups]
    [(0.1, 1), (0.0, 1)]
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=0.0)
    return torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True)


def learning_rate(step: int, steps: int, *, peak: float, warmup: float) -> float:
    """Return the rate at a step: linear rise over `warmup · steps`, then a cosine to 0.

    >>> [round(learning_rate(s, 10, peak=1.0, warmup=0.2), 2) for s in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    rise = round(warmup * steps)
    if step < rise:
        return peak * (step + 1) / rise
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
