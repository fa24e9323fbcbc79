"""Networks that are a backbone with one mechanism in all its places, as published."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from visattn.core.spec import Role
from visattn.plug.changes import carry_out
from visattn.plug.rules import Factory, Plan, choose
from visattn.plug.sites import Where, sites_in
from visattn.plug.trace import trace


def insert(
    model: nn.Module,
    mechanism: str | Factory,
    example: Tensor,
    *,
    where: Where | None = None,
    role: Role | str | None = None,
    **options: Any,
) -> None:
    """Insert a mechanism as `visattn.plug_(..., identity=False)` does, without measuring what that changed.

    So a network can be built on the "meta" device, where nothing is computed.

    Args:
        model: The network, which is changed.
        mechanism: Catalogue name, or a factory that takes a `Site`.
        example: An input of the model; the sizes of its features are those that the mechanism is built for.
        where: See `visattn.plug.find_sites`.
        role: Of a factory.
        options: Of the mechanism.

    Raises:
        ConfigError: An option has no meaning.
        PlugError: A site is missing or cannot take a mechanism.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    >>> insert(model, "se", torch.ones(1, 3, 5, 5), where="1", reduction=4)
    >>> model[1].visattn.reduce.out_features
    2
    """
    chosen = choose(mechanism, role, options)
    how = "gate" if chosen.role is Role.GATE else "replaced"
    for site in sites_in(trace(model, example), chosen.role, where):
        carry_out(model, Plan(site, chosen.build(site), how))


def with_mechanism(
    backbone: Callable[..., nn.Module],
    mechanism: str | Callable[..., nn.Module],
    *,
    where: Where | None = None,
    role: Role | str | None = None,
    size: int = 224,
    **published: Any,
) -> Callable[..., nn.Module]:
    """Return the builder of a backbone with a mechanism in it.

    The builder's `num_classes` goes to the backbone, its other options to the mechanism, before the published ones.

    Args:
        backbone: Builds the plain network.
        mechanism: Catalogue name, or a function of a `Site` and of options.
        where: See `visattn.plug.find_sites`.
        role: Of a function.
        size: Height and width of the images that the network is published for.
        published: Options of the mechanism.

    >>> from visattn.zoo.resnet import resnet
    >>> build = with_mechanism(partial(resnet, 18), "se", size=32)
    >>> build(num_classes=10, reduction=8).layer1[0].bn2.visattn.reduce.out_features
    8
    """

    def build(*, num_classes: int | None = None, **options: Any) -> nn.Module:
        model = backbone() if num_classes is None else backbone(num_classes=num_classes)
        example, chosen = torch.zeros(1, 3, size, size), {**published, **options}
        if isinstance(mechanism, str):
            insert(model, mechanism, example, where=where, role=role, **chosen)
        else:
            insert(model, partial(mechanism, **chosen), example, where=where, role=role)
        return model

    return build
