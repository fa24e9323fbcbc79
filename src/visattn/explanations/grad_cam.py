"""Grad-CAM: where in the image the evidence for a class is.

Paper: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017,
arXiv:1610.02391, eq. 1-2.
"""

import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.core.modes import evaluating
from visattn.core.names import unknown_name
from visattn.explanations.default_layer import default_layer
from visattn.explanations.hooks import recording


def grad_cam(
    model: nn.Module, images: Tensor, *, target: int | Tensor | None = None, layer: str | nn.Module | None = None
) -> Tensor:
    """Return one heat map per image: large where the activations of a layer speak for the target class.

    `α_k = mean over i, j of ∂y/∂A_kij` (eq. 1) and `L = relu(Σ_k α_k A_k)` (eq. 2), with `y` the target's score before
    the softmax. The map is enlarged bilinearly to the size of the image and scaled to [0, 1] per image; a map that is
    the same everywhere is zero. Mode, gradients and hooks of the model stay as they are.

    Args:
        model: A classifier that returns (B, classes).
        images: (B, C, H, W).
        target: The class, or one per image as (B,); by default the predicted one.
        layer: The layer or its path; by default that of `default_layer`.

    Returns:
        (B, H, W), float32.

    Raises:
        ShapeError: `images` or `target` has another shape.
        ConfigError: The layer returns no maps or has no influence, or the target is no class.
        UnknownNameError: The model has no layer of that path.

    >>> model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> grad_cam(model, torch.rand(3, 1, 8, 8), target=1).shape
    torch.Size([3, 8, 8])
    """
    return score_and_map(model, images, target=target, layer=layer)[1]


def score_and_map(
    model: nn.Module, images: Tensor, *, target: int | Tensor | None, layer: str | nn.Module | None
) -> tuple[Tensor, Tensor]:
    """Return the (B, classes) output beside the maps of `grad_cam`."""
    if images.dim() != 4:
        raise ShapeError(
            f"grad_cam got images of shape {tuple(images.shape)}, expected (B, C, H, W)",
            hint="use images[None] for one",
        )
    with torch.inference_mode(False), evaluating(model):
        name, module = _find(model, images, layer)
        with recording(module, name) as record, torch.enable_grad():
            scores = model(images)
            classes = _classes(scores, target)
            gradients = record.gradients(scores.gather(1, classes[:, None]).sum()).float()
        with torch.no_grad():
            weights = gradients.mean(dim=(2, 3), keepdim=True)
            coarse = (weights * record.activations.float()).sum(dim=1, keepdim=True).relu()
            fine = nn.functional.interpolate(coarse, size=images.shape[-2:], mode="bilinear", align_corners=False)
            return scores.detach(), _to_unit_range(fine[:, 0])


def _find(model: nn.Module, images: Tensor, layer: str | nn.Module | None) -> tuple[str, nn.Module]:
    modules = dict(model.named_modules(remove_duplicate=False))
    if isinstance(layer, nn.Module):
        for path, module in modules.items():
            if module is layer:
                return path, module
        raise ConfigError(f"the {type(layer).__name__} that was passed as layer is no part of the model")
    path = default_layer(model, images) if layer is None else layer
    if path not in modules:
        raise unknown_name("layer", path, modules, see="model.named_modules()")
    return path, modules[path]


def _classes(scores: object, target: int | Tensor | None) -> Tensor:
    if not isinstance(scores, Tensor) or scores.dim() != 2:
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ShapeError(f"the model returned {got}, expected (B, classes)", hint="pass a classifier")
    images, classes = scores.shape
    if target is None:
        return scores.argmax(dim=1)
    chosen = torch.as_tensor(target, device=scores.device).long()
    if chosen.shape not in ((), (images,)):
        raise ShapeError(f"got {tuple(chosen.shape)} targets for {images} images, expected one, or one per image")
    if chosen.min() < 0 or chosen.max() >= classes:
        raise ConfigError(f"target {target} is no class", hint=f"the model has the classes 0 to {classes - 1}")
    return chosen.expand(images)


def _to_unit_range(maps: Tensor) -> Tensor:
    above = maps - maps.amin(dim=(1, 2), keepdim=True)
    return above / above.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(above.dtype).tiny)
