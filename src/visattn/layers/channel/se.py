"""SE: squeeze-and-excitation, a gate per channel from the globally pooled features.

Paper: Hu et al., Squeeze-and-Excitation Networks, CVPR 2018, arXiv:1709.01507, eq. 2-4.
"""

from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec


class SE(nn.Module):
    """Scale each channel by a gate that a two-layer bottleneck computes from the pooled channels.

    `s = σ(W₂ relu(W₁ z + b₁) + b₂)` with `z` the spatial mean of `x`, and `y = x · s` (Hu et al., eq. 2-4).
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 2·C·hidden MACs.

    Args:
        channels: C.
        reduction: r; the bottleneck has `max(1, C // r)` units.
        bias: Biases in both layers, as in the authors' prototxt; the journal's ablations have none.
        squeeze: "avg" or "max" pooling (journal, table 11).

    Raises:
        ShapeError: `channels` or `reduction` is below 1.
        ConfigError: `squeeze` is unknown.

    >>> import torch
    >>> SE(16, reduction=4)(torch.ones(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(self, channels: int, *, reduction: int = 16, bias: bool = True, squeeze: str = "avg") -> None:
        super().__init__()
        require_positive("se", channels=channels, reduction=reduction)
        require_choice("se", ("avg", "max"), squeeze=squeeze)
        self.squeeze = squeeze
        hidden = max(1, channels // reduction)
        self.reduce = nn.Linear(channels, hidden, bias=bias)
        self.expand = nn.Linear(hidden, channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled channel by channel."""
        pooled = x.mean(dim=(2, 3)) if self.squeeze == "avg" else x.amax(dim=(2, 3))
        gate: Tensor = self.expand(self.reduce(pooled).relu()).sigmoid()
        return x * gate[:, :, None, None]

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"squeeze={self.squeeze!r}"


def cost(
    channels: int, height: int, width: int, *, reduction: int = 16, bias: bool = True, squeeze: str = "avg"
) -> Cost:
    """Closed-form cost of `SE` for one image."""
    hidden = max(1, channels // reduction)
    return Cost(params=2 * channels * hidden + (channels + hidden) * bias, macs=2 * channels * hidden)


SPEC = Spec(
    name="se",
    role=Role.GATE,
    family="channel",
    summary="A gate per channel, from a two-layer bottleneck over the globally pooled features.",
    build=SE,
    maths=("z = mean over H×W of x", "s = σ(W₂ relu(W₁ z + b₁) + b₂)", "y = x · s"),
    paper=Paper(
        title="Squeeze-and-Excitation Networks",
        authors="Hu, Shen, Sun",
        venue="CVPR",
        year=2018,
        arxiv="1709.01507",
    ),
    official=(
        Official(
            source="moskomule/senet.pytorch:senet/se_module.py:SELayer",
            licence="MIT",
            build=lambda channel, reduction=16: SE(channel, reduction=reduction, bias=False),
            keys={"fc.0.": "reduce.", "fc.2.": "expand."},
        ),
        Official(
            source="Cadene/pretrained-models.pytorch:pretrainedmodels/models/senet.py:SEModule",
            licence="BSD-3-Clause",
            build=lambda channels, reduction: SE(channels, reduction=reduction),
            keys={"fc1.": "reduce.", "fc2.": "expand."},
        ),
    ),
    options={
        "reduction": "r, the bottleneck has max(1, C // r) units",
        "bias": "biases in both layers",
        "squeeze": "'avg' or 'max' pooling",
    },
    default_reason="Biases as in the authors' Caffe prototxt, which the published weights need.",
    differs=(
        "The journal version has no biases in its ablations (28.07 M for SE-ResNet-50 instead of 28.09 M).",
        "timm rounds the bottleneck up to a multiple of 8, so 64 channels with r=16 get 8 units instead of 4.",
        "Many copies crash or degenerate below r channels, where C // r is 0; here the bottleneck keeps one unit.",
    ),
    cost=cost,
)
