"""Taking over the weights of a convolution that is replaced."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError, ShapeError


def take_over(mechanism: str, conv: nn.Conv2d, shape: Sequence[int], bias: bool) -> tuple[Tensor, Tensor]:
    """Return weight and bias of `conv` without their gradients; a bias that it lacks is zero.

    Args:
        mechanism: Who asks, for the messages.
        conv: The convolution that is replaced.
        shape: What the weight must be.
        bias: There is a place for a bias.

    Raises:
        ShapeError: The weight has another shape.
        ConfigError: `conv` has a bias, and there is no place for it.

    >>> weight, bias = take_over("camconv", nn.Conv2d(2, 4, 3, bias=False), (4, 2, 3, 3), bias=True)
    >>> weight.shape, bias
    (torch.Size([4, 2, 3, 3]), tensor([0., 0., 0., 0.]))
    """
    if tuple(conv.weight.shape) != tuple(shape):
        raise ShapeError(
            f"{mechanism} got a convolution of weight {tuple(conv.weight.shape)}, expected {tuple(shape)}",
            hint="build it with the convolution's own arguments",
        )
    if conv.bias is None:
        return conv.weight.detach(), torch.zeros_like(conv.weight[:, 0, 0, 0])
    if not bias:
        raise ConfigError(
            f"{mechanism} got a convolution with bias, expected one without", hint="build it with bias=True"
        )
    return conv.weight.detach(), conv.bias.detach()
