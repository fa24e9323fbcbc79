"""RCCA: the head of CCNet, recurrent criss-cross attention between convolutions, then a classifier.

Paper: Huang et al., CCNet: Criss-Cross Attention for Semantic Segmentation, ICCV 2019, arXiv:1811.11721, section 3.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.context import criss_cross
from visattn.layers.context.conv_norm import conv_norm_params, conv_norm_relu
from visattn.layers.context.criss_cross import CrissCross


class RCCA(nn.Module):
    """Classify each position from the input and from its criss-cross context.

    A 3×3 convolution, R rounds of `CrissCross`, another 3×3 convolution; the result and the input go through a third
    3×3 convolution and a 1×1 classifier (Huang et al., fig. 2).
    Shapes: (B, in, H, W) → (B, out, H, W).
    Cost per image: (9·hidden·(in + hidden) + 9·features·(in + hidden) + features·out)·H·W MACs and those of
    `CrissCross`.

    Args:
        in_channels: in.
        out_channels: out, the number of classes.
        hidden: Width of the attention; None is `max(1, in // 4)`.
        features: Width before the classifier; None is `hidden`.
        recurrence: R.
        dropout: Probability that a channel is dropped before it is classified.

    Raises:
        ShapeError: A number of channels or `recurrence` is below 1.

    >>> RCCA(32, 5)(torch.rand(2, 32, 5, 7)).shape
    torch.Size([2, 5, 5, 7])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        hidden: int | None = None,
        features: int | None = None,
        recurrence: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        hidden, features = _widths(in_channels, hidden, features)
        require_positive("rcca", in_channels=in_channels, out_channels=out_channels, hidden=hidden, features=features)
        require_positive("rcca", recurrence=recurrence)
        self.context = nn.Sequential(
            conv_norm_relu(in_channels, hidden, 3),
            CrissCross(hidden, recurrence=recurrence),
            conv_norm_relu(hidden, hidden, 3),
        )
        self.fuse = conv_norm_relu(in_channels + hidden, features, 3)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(features, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classify(self.dropout(self.fuse(torch.cat((x, self.context(x)), dim=1))))
        return logits


def _widths(in_channels: int, hidden: int | None, features: int | None) -> tuple[int, int]:
    hidden = max(1, in_channels // 4) if hidden is None else hidden
    return hidden, hidden if features is None else features


def cost(
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    *,
    hidden: int | None = None,
    features: int | None = None,
    recurrence: int = 2,
    dropout: float = 0.1,
) -> Cost:
    """Closed-form cost of `RCCA` for one image."""
    hidden, features = _widths(in_channels, hidden, features)
    attention = criss_cross.cost(hidden, height, width, recurrence=recurrence)
    return Cost(
        params=attention.params
        + conv_norm_params(in_channels, hidden, 3)
        + conv_norm_params(hidden, hidden, 3)
        + conv_norm_params(in_channels + hidden, features, 3)
        + (features + 1) * out_channels,
        macs=attention.macs
        + (9 * (hidden + features) * (in_channels + hidden) + features * out_channels) * height * width,
    )


SPEC = Spec(
    name="rcca",
    role=Role.HEAD,
    family="context",
    summary="The segmentation head of CCNet: criss-cross attention, applied twice, between convolutions.",
    build=RCCA,
    maths=(
        "c = conv_3×3(criss-cross attention, R times(conv_3×3(x))), each convolution with batch norm and ReLU",
        "y = W conv_3×3([x; c]) + b",
    ),
    paper=criss_cross.SPEC.paper,
    official=(
        Official(
            source="Serge-weihao/CCNet-Pure-Pytorch:networks/ccnet.py:RCCAModule",
            licence="MIT",
            build=lambda in_channels, out_channels, num_classes, recurrence=1: RCCA(
                in_channels, num_classes, features=out_channels, recurrence=recurrence
            ),
            keys={
                "conva.": "context.0.",
                "cca.query_conv.": "context.1.query.",
                "cca.key_conv.": "context.1.key.",
                "cca.value_conv.": "context.1.value.",
                "cca.gamma": "context.1.gamma",
                "convb.": "context.2.",
                "bottleneck.": "fuse.",
                "bottleneck.4.": "classify.",
            },
        ),
    ),
    options={
        "hidden": "width of the attention, None is max(1, in // 4)",
        "features": "width before the classifier, None is hidden",
        "recurrence": "R, how often the attention is applied with the same weights",
        "dropout": "probability that a channel is dropped before it is classified",
    },
    default_reason="Two rounds and a width of in/4, 512 for a ResNet-101, as in the published network.",
    differs=(
        "The class of the code applies one round unless its caller says recurrence=2, as the published training does.",
        "The class of the port has 512 channels before the classifier, whatever its out_channels.",
        "The authors' batch norms are in place and followed by a leaky ReLU; the pure PyTorch port, followed here, has "
        "plain ones and ReLU.",
        "The network has one more classifier on the stage before, with a loss of weight 0.4, outside the head.",
    ),
    cost=cost,
)
