"""Coordinate attention: two gates per channel, one along the height and one along the width.

Paper: Hou et al., Coordinate Attention for Efficient Mobile Network Design, CVPR 2021, arXiv:2103.02907, eq. 4-9.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ConfigError
from visattn.core.spec import Cost, Official, Paper, Role, Spec


class CoordAtt(nn.Module):
    """Scale each channel by a gate per row and a gate per column, computed from its row and column means.

    `f = hswish(BN(W₁ [mean_w x; mean_h x] + b₁))` along the H + W rows and columns, split again into `f_h` and `f_w`;
    `y = x · σ(W_h f_h + b_h) · σ(W_w f_w + b_w)` (Hou et al., eq. 4-9).
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 2·C·hidden·(H + W) MACs.

    Args:
        channels: C.
        reduction: r; the bottleneck has `max(8, C // r)` units.

    Raises:
        ShapeError: `channels` or `reduction` is below 1.

    >>> CoordAtt(16)(torch.ones(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(self, channels: int, *, reduction: int = 32) -> None:
        super().__init__()
        require_positive("coordatt", channels=channels, reduction=reduction)
        hidden = max(8, channels // reduction)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.norm = nn.BatchNorm2d(hidden)
        self.expand_h = nn.Conv2d(hidden, channels, 1)
        self.expand_w = nn.Conv2d(hidden, channels, 1)
        for conv in (self.reduce, self.expand_h, self.expand_w):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled by its row gates and its column gates."""
        H = x.shape[2]
        rows = x.mean(dim=3, keepdim=True)
        columns = x.mean(dim=2, keepdim=True).transpose(2, 3)
        hidden = nn.functional.hardswish(self.norm(self.reduce(torch.cat((rows, columns), dim=2))))
        gate_h: Tensor = self.expand_h(hidden[:, :, :H]).sigmoid()
        gate_w: Tensor = self.expand_w(hidden[:, :, H:].transpose(2, 3)).sigmoid()
        return x * gate_h * gate_w


def cost(channels: int, height: int, width: int, *, reduction: int = 32) -> Cost:
    """Closed-form cost of `CoordAtt` for one image."""
    hidden = max(8, channels // reduction)
    return Cost(
        params=3 * channels * hidden + 3 * hidden + 2 * channels,
        macs=2 * channels * hidden * (height + width),
    )


def _official(inp: int, oup: int, reduction: int = 32) -> CoordAtt:
    if inp != oup:
        raise ConfigError(
            f"CoordAtt got inp={inp} and oup={oup}, expected them equal", hint="the gates multiply the input"
        )
    return CoordAtt(inp, reduction=reduction)


SPEC = Spec(
    name="coordatt",
    role=Role.GATE,
    family="mixed",
    summary="A gate per channel and row times a gate per channel and column, from row and column means.",
    build=CoordAtt,
    maths=(
        "f = hswish(BN(W₁ [mean over W of x; mean over H of x] + b₁)), along H + W positions",
        "g_h = σ(W_h f[:H] + b_h), g_w = σ(W_w f[H:] + b_w)",
        "y = x · g_h · g_w",
    ),
    paper=Paper(
        title="Coordinate Attention for Efficient Mobile Network Design",
        authors="Hou, Zhou, Feng",
        venue="CVPR",
        year=2021,
        arxiv="2103.02907",
    ),
    official=(
        Official(
            source="houqb/CoordAttention:coordatt.py:CoordAtt",
            licence="MIT",
            build=_official,
            keys={"conv1.": "reduce.", "bn1.": "norm.", "conv_h.": "expand_h.", "conv_w.": "expand_w."},
        ),
    ),
    options={"reduction": "r, the bottleneck has max(8, C // r) units"},
    default_reason=(
        "r = 32 as in the authors' code and their MobileNetV2, whose initialisation is used: weights normal with "
        "variance 2 / outputs, biases 0."
    ),
    differs=(
        "The bias before the batch norm has no effect in training; it is kept for the published weights.",
        "The authors' class takes input and output widths, and works only if they are equal.",
        "timm's version has another reduction and no biases; some copies drop the sigmoids or use ReLU.",
    ),
    cost=cost,
)
