"""Independent implementations of gather-excite, which differ from the authors'; their checkpoints load all the same."""

from collections.abc import Callable

from torch import Tensor, nn

from visattn.core.errors import ConfigError
from visattn.core.spec import Official
from visattn.layers.channel.gather_excite import GatherExcite, bottleneck, pool, strided, whole
from visattn.layers.hosts.wide_block import WideBlock


class MeanAndMax(nn.Module):
    """Half the average, half the maximum over the same neighbourhoods: timm's experimental gather.

    Shapes: (B, C, H, W) → (B, C, ⌈H/e⌉, ⌈W/e⌉).
    """

    def __init__(self, extent: int | None) -> None:
        super().__init__()
        self.mean = pool(extent)
        self.max: Callable[[Tensor], Tensor] = nn.AdaptiveMaxPool2d(1)
        if extent is not None:
            self.max = nn.MaxPool2d(2 * extent - 1, extent, extent - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled `x`."""
        pooled: Tensor = (self.mean(x) + self.max(x)) / 2
        return pooled


def bayeswatch(
    out_planes: int, spatial: int, extent: int = 0, extra_params: bool = True, mlp: bool = True
) -> GatherExcite:
    """Build BayesWatch's form: cells that do not overlap, no ReLU behind the gather, no biases."""
    gather: nn.Module = nn.AdaptiveAvgPool2d(spatial // extent if extent else 1)
    if extra_params and extent:
        gather = strided(out_planes, extent, last_relu=False)
    elif extra_params:
        gather = whole(out_planes, (spatial, spatial), last_relu=False)
    return GatherExcite(gather, bottleneck(out_planes, max(1, out_planes // 16), bias=False) if mlp else None)


def bayeswatch_block(
    in_planes: int,
    out_planes: int,
    stride: int,
    spatial: int,
    extent: int = 0,
    extra_params: bool = True,
    mlp: bool = True,
    dropRate: float = 0.0,  # noqa: N803
) -> WideBlock:
    """Build BayesWatch's block of a wide residual network."""
    gate = bayeswatch(out_planes, spatial, extent, extra_params, mlp)
    return WideBlock(gate, in_planes, out_planes, stride=stride, dropout=dropRate)


def timm(
    channels: int,
    feat_size: int | None = None,
    extra_params: bool = False,
    extent: int = 0,
    use_mlp: bool = True,
    rd_ratio: float = 1 / 16,
    rd_channels: int | None = None,
    rd_divisor: int = 1,
    add_maxpool: bool = False,
) -> GatherExcite:
    """Build timm's form: a bottleneck unless asked otherwise, and a padded convolution for the global extent.

    Raises:
        ConfigError: The global extent has parameters, and there is no `feat_size`.
    """
    gather = MeanAndMax(extent or None) if add_maxpool else pool(extent or None)
    if extra_params and extent:
        gather = strided(channels, extent, last_relu=False)
    elif extra_params:
        if feat_size is None:
            raise ConfigError("ge got extra_params without extent and feat_size", hint="pass the size of its input")
        # the padding keeps an odd map, and shrinks an even one by a pixel
        sides = (feat_size, feat_size), ((feat_size - 1) // 2,) * 2
        gather = whole(channels, sides[0], padding=sides[1], last_relu=False)
    hidden = rd_channels or max(rd_divisor, int(channels * rd_ratio + rd_divisor / 2) // rd_divisor * rd_divisor)
    return GatherExcite(gather, bottleneck(channels, hidden) if use_mlp else None)


def _stages(conv: str, norm: str, first: int) -> dict[str, str]:
    """Return the keys of strided convolutions and their norms, whose official numbers start with `first`."""
    convs = {conv.format(first + n): f"gather.{3 * n}." for n in range(8)}
    return convs | {norm.format(first + n): f"gather.{3 * n + 1}." for n in range(8)}


_BAYESWATCH = {
    **_stages("downop.{}.dwconv.", "downop.{}.bn.", 0),
    "downop.dwconv.": "gather.0.",
    "downop.bn.": "gather.1.",
    "mlp.": "excite.",
}

COPIES = (
    Official(
        source="BayesWatch/pytorch-GENet:models/blocks.py:GEBlock (tail)",
        licence="MIT",
        build=bayeswatch,
        keys=_BAYESWATCH,
    ),
    Official(
        source="BayesWatch/pytorch-GENet:models/blocks.py:GEBlock",
        licence="MIT",
        build=bayeswatch_block,
        keys={
            "bn1.": "norm1.",
            "conv1.": "conv1.",
            "bn2.": "norm2.",
            "conv2.": "conv2.",
            "convShortcut.": "shortcut.",
            **{theirs: f"gate.{ours}" for theirs, ours in _BAYESWATCH.items()},
        },
    ),
    Official(
        source="huggingface/pytorch-image-models:timm/layers/gather_excite.py:GatherExcite",
        licence="Apache-2.0",
        build=timm,
        keys={
            **_stages("gather.conv{}.", "gather.norm{}.", 1),
            "mlp.fc1.": "excite.0.",
            "mlp.fc2.": "excite.2.",
        },
    ),
)
