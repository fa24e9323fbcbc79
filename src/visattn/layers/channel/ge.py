"""GE: gather-excite, every position gets a gate per channel from its neighbourhood or from the whole map.

Paper: Hu et al., Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks, NeurIPS 2018,
arXiv:1810.12348.
"""

from typing import Literal, get_args

from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.errors import ConfigError, ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.channel.gather_excite import GatherExcite, bottleneck, pool, strided, whole
from visattn.layers.channel.gather_excite_copies import COPIES

Variant = Literal["theta_minus", "theta", "theta_plus"]


class GE(GatherExcite):
    """Scale `x` by the sigmoid of its gathered neighbourhoods, one number per channel and neighbourhood.

    With extent e there are ⌈H/e⌉×⌈W/e⌉ neighbourhoods of (2e − 1)×(2e − 1) pixels, with the global extent there is
    one. "theta_minus" gathers with average pooling and has no parameters. "theta" gathers with log₂ e depth-wise 3×3
    convolutions of stride 2, each with batch norm, ReLU between them; with the global extent with one depth-wise H×W
    convolution and batch norm. "theta_plus" has ReLU behind that too, and the bottleneck of SE as excite.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 9·C MACs per position of each gathered map, or C·H·W with the
    global extent; "theta_plus" has 2·C·hidden per neighbourhood more, "theta_minus" none.

    Args:
        channels: C.
        height: H of every input; only the convolution of the global extent needs it.
        width: W of every input, as `height`.
        variant: "theta_minus", "theta" or "theta_plus".
        extent: e; the paper has 2, 4 and 8. None is the global extent.
        reduction: r of "theta_plus"; its bottleneck has `max(1, C // r)` units.

    Raises:
        ShapeError: An argument is below 1, `extent` is no power of 2 where there are convolutions, or an input has
            another size than H×W where that counts.
        ConfigError: `variant` is unknown, or H and W are needed and not given.

    >>> import torch
    >>> GE(16)(torch.ones(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        height: int | None = None,
        width: int | None = None,
        *,
        variant: Variant = "theta",
        extent: int | None = 8,
        reduction: int = 16,
    ) -> None:
        require_positive("ge", channels=channels, reduction=reduction)
        require_choice("ge", get_args(Variant), variant=variant)
        plus, size = variant == "theta_plus", None
        if variant == "theta_minus":
            gather = pool(extent)
        elif extent is not None:
            gather = strided(channels, extent, last_relu=plus)
        else:
            size = _require_size(variant, height, width)
            gather = whole(channels, size, last_relu=plus)
        super().__init__(gather, bottleneck(channels, max(1, channels // reduction)) if plus else None)
        self.size = size
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled neighbourhood by neighbourhood."""
        if self.size is not None and x.shape[2:] != self.size:
            raise ShapeError(
                f"ge was built for {self.size[0]}×{self.size[1]}, got {x.shape[2]}×{x.shape[3]}",
                hint="its convolution covers the whole map: build it for the new size, or take an extent",
            )
        return super().forward(x)


def _require_size(variant: Variant, height: int | None, width: int | None) -> tuple[int, int]:
    if height is None or width is None:
        raise ConfigError(
            f"ge with variant={variant!r} and extent=None got height={height} and width={width}",
            hint="pass those of its input, which its convolution covers, or an extent such as 8",
        )
    require_positive("ge", height=height, width=width)
    return height, width


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    variant: Variant = "theta",
    extent: int | None = 8,
    reduction: int = 16,
) -> Cost:
    """Closed-form cost of `GE` for one image."""
    if variant == "theta_minus":
        return Cost(params=0, macs=0)
    if extent is None:
        weights, norms, macs, neighbourhoods = height * width, 1, height * width, 1
    else:
        norms = extent.bit_length() - 1
        maps = [-(-height // 2**n) * -(-width // 2**n) for n in range(1, norms + 1)]
        weights, macs, neighbourhoods = 9 * norms, 9 * sum(maps), maps[-1]
    gather = Cost(params=channels * (weights + 2 * norms), macs=channels * macs)
    if variant == "theta":
        return gather
    hidden = max(1, channels // reduction)
    products = 2 * channels * hidden
    return Cost(params=gather.params + products + channels + hidden, macs=gather.macs + products * neighbourhoods)


_GENET = "hujie-frank/GENet:models/"
_DOWN, _UP = "excite/1x1_down", "excite/1x1_up"

SPEC = Spec(
    name="ge",
    role=Role.GATE,
    family="channel",
    summary="A gate per channel and neighbourhood, gathered by pooling or by strided depth-wise convolutions.",
    build=GE,
    maths=(
        "θ⁻: g = mean over (2e − 1)×(2e − 1) pixels at every e-th position, or over the whole map",
        "θ: g = log₂ e times BN(depth-wise conv_3×3, stride 2), ReLU in between; or BN(depth-wise conv_H×W)",
        "θ⁺: g = W₂ relu(W₁ relu(g of θ) + b₁) + b₂ at every position",
        "y = x · σ(interpolate(g)), nearest neighbour",
    ),
    paper=Paper(
        title="Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks",
        authors="Hu, Shen, Albanie, Sun, Vedaldi",
        venue="NeurIPS",
        year=2018,
        arxiv="1810.12348",
    ),
    official=(
        Official(
            source=f"{_GENET}RN50-GEPF.prototxt:layers conv2_1/gather, conv2_1/excite/sigmoid",
            licence="none",
            build=lambda channels, spatial, hidden=None: GE(channels, variant="theta_minus", extent=None),
        ),
        Official(
            source=f"{_GENET}RN50-GEP.prototxt:layers conv2_1/gather, conv2_1/gather/bn, conv2_1/excite/sigmoid",
            licence="none",
            build=lambda channels, spatial, hidden=None: GE(channels, spatial, spatial, extent=None),
            keys={"gather.": "gather.0.", "gather/bn.": "gather.1."},
        ),
        Official(
            source=f"{_GENET}RN50-GEPP.prototxt:layers conv2_1/gather, conv2_1/gather/bn, conv2_1/gather/relu, "
            f"conv2_1/{_DOWN}, conv2_1/{_DOWN}/relu, conv2_1/{_UP}, conv2_1/excite/sigmoid",
            licence="none",
            build=lambda channels, spatial, hidden: GatherExcite(
                whole(channels, (spatial, spatial), last_relu=True), bottleneck(channels, hidden)
            ),
            keys={
                "gather.": "gather.0.",
                "gather/bn.": "gather.1.",
                f"{_DOWN}.": "excite.0.",
                f"{_UP}.": "excite.2.",
            },
        ),
        Official(
            source="hujie-frank/GENet:figures/GEPF8.jpg",
            licence="none",
            build=lambda extent=8: GE(1, variant="theta_minus", extent=extent),
        ),
        Official(
            source="hujie-frank/GENet:figures/GEP8.jpg",
            licence="none",
            build=lambda channels, extent=8: GE(channels, extent=extent),
        ),
        *COPIES,
    ),
    options={
        "variant": "'theta_minus' pools, 'theta' convolves, 'theta_plus' convolves and has a bottleneck",
        "extent": "e, a neighbourhood has 2e − 1 pixels a side; None is the whole map",
        "reduction": "r of 'theta_plus', its bottleneck has max(1, C // r) units",
    },
    variants={
        "theta_minus": "GE-θ⁻: average pooling, no parameters",
        "theta": "GE-θ: strided depth-wise convolutions, or one that covers the whole map",
        "theta_plus": "GE-θ⁺: those convolutions, and the bottleneck of SE behind them",
    },
    default_reason=(
        "θ with extent 8 is the best published form with weights of its own that takes images of any size. The best of "
        "all, θ⁺ with the global extent, has a convolution as large as the map; in a network `height` and `width` are "
        "known, so extent=None is enough there."
    ),
    differs=(
        "Code is released for the global extent only. Two figures show extents, and leave padding and interpolation "
        "open: the nearest neighbour is the paper's, averages without the padding are timm's choice.",
        "θ⁺ with an extent is in no figure; here it is θ with that extent, and the global form's ReLU and bottleneck.",
        "The released θ⁺ has ReLU between the gather's batch norm and the bottleneck; the copies leave it out.",
        "timm's default is a pooled gather with a bottleneck, which is SE; its convolution for the global extent is "
        "padded and so gathers a whole map of answers.",
        "BayesWatch pools cells that do not overlap, and has no biases.",
        "A popular copy repeats one convolution and one batch norm log₂ e times, by multiplying a list.",
    ),
    cost=cost,
    fixed_size=True,
)
