"""Every published network; a new one is an entry of one of these tables."""

from visattn.zoo.entry import Network
from visattn.zoo.networks import channel_gates, convolutions, mixed_gates, parts, plain

NETWORKS: tuple[Network, ...] = (
    *plain.NETWORKS,
    *channel_gates.NETWORKS,
    *mixed_gates.NETWORKS,
    *convolutions.NETWORKS,
    *parts.NETWORKS,
)
