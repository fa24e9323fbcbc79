"""Finding published networks and building them by name."""

from functools import cache
from typing import Any

from torch import nn

from visattn.core.errors import ConfigError
from visattn.core.names import unknown_name
from visattn.zoo.entry import Network
from visattn.zoo.networks import NETWORKS


@cache
def _by_id() -> dict[str, Network]:
    return {n.id: n for n in NETWORKS}


def list_networks() -> list[str]:
    """Return the id of every network, in the order of the table.

    >>> "cbam_resnet50" in list_networks()
    True
    """
    return list(_by_id())


def network(id: str) -> Network:
    """Return what is known about one network.

    Raises:
        UnknownNameError: No network has that id; the message holds the nearest ids.

    >>> network("cbam_resnet50").params
    28089624
    """
    try:
        return _by_id()[id]
    except KeyError:
        raise unknown_name("network", id, _by_id(), see="visattn.zoo.list_networks()") from None


def create(id: str, **options: Any) -> nn.Module:
    """Build a published network with random weights.

    Under `with torch.device("meta")` it has shapes only, and is there at once.

    Args:
        id: See `list_networks`.
        options: `num_classes` of a classifier; all others go to its mechanism, in the place of the published ones, or
            where it has none to the backbone.

    Raises:
        UnknownNameError: No network has that id.
        ConfigError: An option has no meaning for it.

    >>> create("cbam_resnet18", num_classes=10).fc.out_features
    10
    """
    known = network(id)
    try:
        return known.build(**options)
    except TypeError as error:
        raise ConfigError(
            f"{id} cannot be built with {', '.join(options) or 'no options'}: {error}",
            hint="see visattn.zoo.network(...).summary for its backbone and mechanism",
        ) from error
