"""What the zoo knows about a network: where it comes from, how it is built, and what it must cost."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """One published network, or a block or head of one.

    Attributes:
        id: Its name; that of a block starts with "block:", that of a head with "head:".
        summary: Backbone, mechanism and placement in one sentence.
        source: The published code or paper that it follows.
        build: Takes options and returns the network.
        params: Its exact number of parameters.
        macs: Multiply-adds of its convolutions and matrix products for one input; None where none are published.
        convention: What `params` and `macs` depend on.
        inputs: Shape of each input for one image.
        counted: The multiply-adds that `visattn.cost` counts, where they are not `macs`.
        why_counted: The reason for the difference.
    """

    id: str
    summary: str
    source: str
    build: Callable[..., nn.Module]
    params: int
    macs: int | None = None
    convention: str = ""
    inputs: tuple[tuple[int, ...], ...] = ((3, 224, 224),)
    counted: int | None = None
    why_counted: str = ""
