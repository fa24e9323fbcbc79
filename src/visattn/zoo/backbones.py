"""Classifiers by name: our small ones, and any of timm's and torchvision's where those are installed."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError
from visattn.core.names import unknown_name
from visattn.zoo.small_resnet import SmallResNet

OWN: dict[str, Callable[..., nn.Module]] = {
    "resnet8": partial(SmallResNet, 8),
    "resnet14": partial(SmallResNet, 14),
    "resnet20": partial(SmallResNet, 20),
    "resnet8_s2": partial(SmallResNet, 8, stem_stride=2),
    "resnet14_s2": partial(SmallResNet, 14, stem_stride=2),
    "resnet20_s2": partial(SmallResNet, 20, stem_stride=2),
    "resnet8_s4": partial(SmallResNet, 8, stem_stride=4),
    "resnet14_s4": partial(SmallResNet, 14, stem_stride=4),
    "resnet20_s4": partial(SmallResNet, 20, stem_stride=4),
}


def list_backbones() -> list[str]:
    """Return every classifier name that `backbone` can build here.

    >>> "resnet8" in list_backbones()
    True
    """
    return [*OWN, *(f"torchvision/{n}" for n in _torchvision_names()), *(f"timm/{n}" for n in _timm_names())]


def backbone(name: str, *, num_classes: int, in_channels: int = 3, pretrained: bool = False) -> nn.Module:
    """Build a classifier.

    Args:
        name: One of ours, or a timm or torchvision classifier; "timm/NAME" and "torchvision/NAME" choose the library,
            a plain name means ours, then torchvision's, then timm's.
        num_classes: Outputs of the head.
        in_channels: Channels of the images.
        pretrained: Take the library's default weights; it may download them.

    Raises:
        UnknownNameError: No classifier has that name; the message holds the nearest names.
        ConfigError: The weights cannot be had.

    >>> backbone("resnet8", num_classes=3)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 3])
    """
    library, _, plain = name.rpartition("/")
    if library == "" and plain in OWN:
        if pretrained:
            raise ConfigError(
                f"{name} has no pretrained weights", hint="leave --pretrained out, or pass --weights FILE"
            )
        return OWN[plain](num_classes=num_classes, in_channels=in_channels)
    builders: dict[str, tuple[Callable[[], list[str]], Callable[..., nn.Module]]] = {
        "torchvision": (_torchvision_names, _build_torchvision),
        "timm": (_timm_names, _build_timm),
    }
    for lib, (names, build) in builders.items():
        if library in ("", lib) and plain in names():
            try:
                return build(plain, num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)
            except (OSError, RuntimeError) as error:
                if not pretrained:
                    raise
                hint = "check the network, or pass --weights FILE"
                raise ConfigError(f"the pretrained weights of {name} cannot be had: {error}", hint=hint) from error
    if not (_torchvision_names() or _timm_names()):
        raise ConfigError(
            f"{name!r} is none of {', '.join(OWN)}, and neither torchvision nor timm is installed",
            hint='pip install "visattn[models]"',
        )
    known = list_backbones() if library else [n.rpartition("/")[2] for n in list_backbones()]
    raise unknown_name("model", name, known, see="visattn list --models")


def load_weights(model: nn.Module, path: Path) -> str:
    """Load a checkpoint file into a classifier and say in one sentence what was loaded.

    A head of another size is left as it is; every other tensor must fit.

    Args:
        model: The plain classifier.
        path: A state_dict written by `torch.save`, alone or under "state_dict" or "model", or a .safetensors file.

    Raises:
        ConfigError: The file cannot be read, or does not belong to this network.
    """
    state = _read(path)
    own = model.state_dict()
    fits = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    misfits = [k for k in own if k not in fits]
    head = [k for k in misfits if k in state and own[k].shape[1:] == state[k].shape[1:] and own[k].dim() in (1, 2)]
    if len(misfits) > len(head) or not fits:
        bad = next((k for k in misfits if k not in head), "any tensor")
        raise ConfigError(
            f"{path} does not fit the model: {bad} is missing or has another shape",
            hint="pass the --model that the weights were made with",
        )
    model.load_state_dict(fits, strict=False)
    return f"{len(fits)} of {len(own)} tensors from {path.name}" + (f", new head ({', '.join(head)})" if head else "")


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ConfigError(f"no weights file at {path}", hint="pass a .pt, .pth or .safetensors file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ConfigError(f"{path} cannot be read as weights: {error}", hint="save a plain state_dict") from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError(f"{path} holds no state_dict", hint="save model.state_dict()")
    return {k.removeprefix("module."): v for k, v in state.items()}


def _torchvision_names() -> list[str]:
    try:
        from torchvision import models
    except ImportError:
        return []
    return list(models.list_models(module=models))


def _timm_names() -> list[str]:
    try:
        import timm
    except ImportError:
        return []
    return list(timm.list_models())


def _build_timm(name: str, *, num_classes: int, in_channels: int, pretrained: bool) -> nn.Module:
    import timm

    model: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=num_classes, in_chans=in_channels)
    return model


def _build_torchvision(name: str, *, num_classes: int, in_channels: int, pretrained: bool) -> nn.Module:
    from torchvision import models

    # aux heads of Inception and GoogLeNet return tuples and take no part in a comparison
    extra: dict[str, Any] = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    if not pretrained:
        model: nn.Module = models.get_model(name, weights=None, num_classes=num_classes, **extra)
    else:
        model = models.get_model(name, weights="DEFAULT")
        _replace_head(model, num_classes)
    if in_channels != 3:
        _replace_first_conv(model, in_channels)
    return model


def _replace_head(model: nn.Module, num_classes: int) -> None:
    path, last = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)][-1]
    model.set_submodule(path, nn.Linear(last.in_features, num_classes))


def _replace_first_conv(model: nn.Module, in_channels: int) -> None:
    path, first = next((n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d))
    conv = copy.deepcopy(first)
    # the mean over the three colours is what a grey image would have given
    grey = first.weight.detach().mean(dim=1, keepdim=True) * (first.in_channels / in_channels)
    conv.weight = nn.Parameter(grey.repeat(1, in_channels, 1, 1))
    conv.in_channels = in_channels
    model.set_submodule(path, conv)
