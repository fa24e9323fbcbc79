"""Finding the layer whose maps explain a decision best."""

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError
from visattn.core.modes import evaluating

_POOLING = (
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.AvgPool2d,
    nn.MaxPool2d,
    nn.LPPool2d,
    nn.FractionalMaxPool2d,
)


def default_layer(model: nn.Module, images: Tensor) -> str:
    """Return the path of the last module that returns a map of the image, before the final pooling.

    It is found by a forward pass of the first image. Of modules that return the same map the outermost is taken, such
    as the last stage instead of its last block; a plugged module is within the one that it is plugged into.

    Args:
        model: A classifier.
        images: (B, C, H, W).

    Raises:
        ConfigError: No module returns a map of more than one row and column, or it has its channels last.

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> default_layer(model, torch.ones(1, 3, 8, 8))
    '1'
    """
    found: list[tuple[str, tuple[int, ...]]] = []
    with ExitStack() as hooks, evaluating(model), torch.no_grad():
        for path, module in model.named_modules():
            if path and not isinstance(module, _POOLING):
                hooks.callback(module.register_forward_hook(_note(path, found)).remove)
        model(images[:1])
    if not found:
        raise ConfigError(
            f"no layer of {type(model).__name__} returns (B, C, H, W) with more than one row and column",
            hint="pass larger images, or layer=",
        )
    path, (_, _, height, width) = found[-1]
    # rounding moves the shape of a map by less than one row or column
    if abs(height * images.shape[-1] - width * images.shape[-2]) > max(images.shape[-2:]):
        raise ConfigError(
            f"layer {path!r} returns {found[-1][1]}, which is no map of {tuple(images.shape[-2:])} pixels",
            hint="pass layer=, one that returns (B, C, H, W)",
        )
    return path


def _note(path: str, found: list[tuple[str, tuple[int, ...]]]) -> Any:
    def hook(_module: nn.Module, _inputs: Any, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[2:]) > 1:
            found.append((path, tuple(output.shape)))

    return hook
