"""What the library knows about a mechanism: its role, paper, official code and closed-form cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn


class Role(StrEnum):
    """Where a mechanism goes in a network.

    GATE maps (B, C, H, W) to the same shape and re-weights features. CONV stands in for `nn.Conv2d`. HEAD maps
    features to features at the end of a network. SEQUENCE attends over a set, given a query. GAZE looks at an image
    (B, C, H, W) and finds where to look.
    """

    GATE = "gate"
    CONV = "conv"
    HEAD = "head"
    SEQUENCE = "sequence"
    GAZE = "gaze"


@dataclass(frozen=True, kw_only=True, slots=True)
class Paper:
    """The article that introduced a mechanism."""

    title: str
    authors: str
    venue: str
    year: int
    arxiv: str = ""

    def __str__(self) -> str:
        link = f", arXiv:{self.arxiv}" if self.arxiv else ""
        return f"{self.authors}: {self.title}. {self.venue} {self.year}{link}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Closed-form cost of one module for one image.

    `macs` counts multiply-adds of convolutions and matrix products only; element-wise work is not counted.
    """

    params: int
    macs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Official:
    """One class of published code, and how a checkpoint of it becomes ours.

    Attributes:
        source: "owner/repository:path/to/file.py:Class", or "paper formula (...)" where no code was published.
        licence: SPDX name, or "none" where the repository has no licence.
        build: Takes the official constructor's own arguments and returns our module.
        keys: Official key or key prefix → ours; the longest match wins, and an empty prefix matches every key.
            Tensors of equal size are reshaped, so a 1×1 convolution loads into a linear layer. None stands for a
            constant that is not stored here.
        sizes: Argument of `build` → official key and dimension of the tensor that tells it, for what the official
            constructor does not say.
        transposed: The official matrices are (in, out), as in Theano, and ours (out, in).
        call: How the official forward's arguments reach our module, where they differ.
    """

    source: str
    licence: str
    build: Callable[..., nn.Module]
    keys: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({"": ""}))
    sizes: Mapping[str, tuple[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    transposed: bool = False
    call: Callable[..., Tensor | tuple[Tensor, ...]] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """Everything the catalogue says about one mechanism.

    Attributes:
        name: Catalogue name, equal to the file name of the layer.
        role: See `Role`.
        family: Folder of the layer: channel, spatial, mixed, context, conv, sequence or gaze.
        summary: One sentence for a reader who has never heard of it.
        build: The class. GATE: `build(channels, **options)`. CONV: `build(in_channels, out_channels,
            kernel_size, stride, padding, ..., **options)` as in `nn.Conv2d`. HEAD: `build(in_channels, out_channels,
            **options)`; with the option `low_channels` its second input is the stage before the last. SEQUENCE:
            `build(query_features, memory_features, **options)`; called with queries (B, L, Q), members (B, N, M) and
            optionally a mask, True at the members that count, it returns contexts, weights (B, L, N), ... A context
            is as wide as a member, or, with the option `heads`, as a query. GAZE: `build(channels, **options)`; what
            it saw comes first in what it returns.
        maths: The computation in a few lines of plain text.
        paper: See `Paper`.
        official: Published code whose checkpoints load.
        options: Option → what it means; the defaults are those of `build`.
        variants: Value of `variant` → what it computes. Empty where paper and code agree.
        default_reason: Why the defaults are what they are.
        differs: Where paper, official code and popular copies part ways, one sentence each.
        cost: Closed form. GATE: `cost(channels, height, width, **options)`. CONV: `cost(in_channels,
            out_channels, height, width, **conv and own options)` with the input's height and width. HEAD:
            `cost(in_channels, out_channels, height, width, **options)`, all inputs of one height and width. SEQUENCE:
            `cost(query_features, memory_features, queries, members, **options)` for one set. GAZE: as GATE.
        starts_as_identity: The published initialisation already makes the module return its input.
        from_conv: CONV only, where algebra allows: `from_conv(module, conv)` sets a built module so that it
            computes what `conv` computes, and returns nothing.
        channels_multiple: With the defaults the number of channels is a multiple of it.
        minimum_size: Smallest input height and width that the defaults accept.
        loss_weights: HEAD only: the published weight of each output's loss. A head of several outputs returns them as a
            tuple, the result first.
        fixed_size: The module, or one of its forms, works at one input size only; `build` takes it as `height` and
            `width`.
        straight_through: Prefixes of the parameters whose gradient is a surrogate by design, not the derivative; the
            part of the input's gradient that flows through them is one too. An empty prefix stands for all.
    """

    name: str
    role: Role
    family: str
    summary: str
    build: Callable[..., nn.Module]
    maths: tuple[str, ...]
    paper: Paper
    official: tuple[Official, ...] = ()
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    variants: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    default_reason: str = ""
    differs: tuple[str, ...] = ()
    cost: Callable[..., Cost]
    starts_as_identity: bool = False
    from_conv: Callable[[Any, nn.Conv2d], None] | None = None
    channels_multiple: int = 1
    minimum_size: int = 1
    loss_weights: tuple[float, ...] = (1.0,)
    fixed_size: bool = False
    straight_through: tuple[str, ...] = ()
