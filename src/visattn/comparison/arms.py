"""Building the network of an arm: the plain model of a seed, and what the arm plugs into it."""

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from visattn.comparison.plan import Arm, Setting
from visattn.plug import Receipt, no_op, plug_, pointwise_control
from visattn.zoo import backbone, load_weights


def plain_model(setting: Setting, seed: int) -> nn.Module:
    """Return the classifier without any mechanism; equal seeds give equal weights."""
    torch.manual_seed(seed)
    channels = setting.image_shape[0]
    model = backbone(
        setting.model, num_classes=setting.num_classes, in_channels=channels, pretrained=setting.pretrained
    )
    if setting.weights:
        load_weights(model, Path(setting.weights))
    return model


def build_arm(setting: Setting, arm: Arm, seed: int) -> tuple[nn.Module, Receipt | None]:
    """Return the network of an arm and the receipt of what was plugged; the baseline has none.

    The plain part has the same initial weights in every arm of a seed: what is plugged draws its own random numbers.

    Raises:
        PlugError: The mechanism cannot go where it should.
    """
    model = plain_model(setting, seed)
    if arm.kind == "baseline":
        return model, None
    own_text = json.dumps([seed, {**arm.to_json(), "id": ""}], sort_keys=True)
    torch.manual_seed(int.from_bytes(hashlib.sha256(own_text.encode()).digest()[:6], "big"))
    example = example_images(setting)
    if arm.choice is None:
        factory = no_op if arm.kind == "no-op" else pointwise_control(arm.sites)
        return model, plug_(model, factory, role="gate", where=list(arm.sites), identity=False, example=example)
    where = arm.choice.where or setting.where
    receipt = plug_(
        model,
        arm.choice.name,
        where=list(where) if isinstance(where, tuple) else where,
        identity=setting.identity,
        example=example,
        **arm.choice.options,
    )
    return model, receipt


def example_images(setting: Setting, batch_size: int = 2) -> Tensor:
    """Return made-up images of the data's shape, the same at every call: (batch_size, C, H, W)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch_size, *setting.image_shape, generator=generator)
