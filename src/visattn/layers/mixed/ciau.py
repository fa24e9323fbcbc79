"""CIAU: channel interaction-aggregation-update, each channel extended by the channels that respond alike.

Paper: Hou et al., IAUnet: Global Context-Aware Feature Learning for Person Re-Identification, TNNLS 2020,
arXiv:2009.01035.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec


class CIAU(nn.Module):
    """Add to every channel a transformed mixture of all channels, weighted by how well their maps agree.

    `A = softmax(X Xᵀ)` over the last axis, with one row of X per channel and no scaling, and `y = x + BN(W A X + b)`
    with a 1×1 convolution W. In a clip each channel of each frame is a row of its own. The batch norm starts at 0, so
    the module starts as the identity.
    Shapes: (B, C, H, W) or (B, C, T, H, W) → same. Cost per image: 3·C²·H·W MACs.

    Args:
        channels: C.

    Raises:
        ShapeError: `channels` is below 1.

    >>> x = torch.rand(2, 16, 5, 7)
    >>> torch.equal(CIAU(16)(x), x)
    True
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        require_positive("ciau", channels=channels)
        self.update = nn.Conv2d(channels, channels, 1)
        nn.init.kaiming_normal_(self.update.weight, mode="fan_out")
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with the mixture of its channels added."""
        height, width = x.shape[-2:]
        rows = x.reshape(len(x), -1, height * width)
        attention = torch.matmul(rows, rows.transpose(1, 2)).softmax(dim=2)
        mixture = torch.matmul(attention, rows).reshape(*x.shape[:2], -1, width)
        updated: Tensor = self.norm(self.update(mixture))
        return x + updated.reshape(x.shape)


def cost(channels: int, height: int, width: int, *, frames: int = 1) -> Cost:
    """Closed-form cost of `CIAU` for one image, or for one clip of `frames`."""
    mixing = 2 * (channels * frames) ** 2
    return Cost(params=channels**2 + 3 * channels, macs=(mixing + channels**2 * frames) * height * width)


SPEC = Spec(
    name="ciau",
    role=Role.GATE,
    family="mixed",
    summary="Every channel is extended by a mixture of the channels whose maps agree with its own.",
    build=CIAU,
    maths=(
        "X = x as a (C, H·W) matrix",
        "A = softmax over the last axis of X Xᵀ, (C, C), not scaled",
        "y = x + BN(W A X + b), W a 1×1 convolution",
    ),
    paper=Paper(
        title="IAUnet: Global Context-Aware Feature Learning for Person Re-Identification",
        authors="Hou, Ma, Chang, Gu, Shan, Chen",
        venue="TNNLS",
        year=2020,
        arxiv="2009.01035",
    ),
    official=(
        Official(
            source="blue-blue272/ImgReID-IAnet:models/IAU.py:IAU (first half: CIAU)",
            licence="none",
            build=lambda in_channels: CIAU(channels=in_channels),
            keys={"W1.0.": "update.", "W1.1.": "norm."},
        ),
    ),
    default_reason="The authors' code and its initialisation: the batch norm at 0, so the module starts as identity.",
    differs=(
        "Products of whole maps go into the softmax unscaled, so at large H·W a row picks one channel, mostly its own.",
        "The authors' code has no class of its own for it: it is the first half of IAU.",
        "The bias before the batch norm has no effect in training; it is kept for the published weights.",
        "DANet's channel attention is its like, with the maximum minus the products in the softmax and no convolution.",
    ),
    cost=cost,
    starts_as_identity=True,
)
