"""The head of DANet: position attention and channel attention side by side, and their sum.

Paper: Fu et al., Dual Attention Network for Scene Segmentation, CVPR 2019, arXiv:1809.02983, section 3.
"""

from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.context import danet_cam, danet_pam
from visattn.layers.context.conv_norm import conv_norm_params, conv_norm_relu
from visattn.layers.context.danet_cam import CAM, Variant
from visattn.layers.context.danet_pam import PAM


class DANetHead(nn.Module):
    """Classify each position from the sum of a position-attention branch and a channel-attention branch.

    Each branch is a 3×3 convolution, its attention, and another 3×3 convolution; the outputs are 1×1 convolutions of
    the sum and of each branch (Fu et al., fig. 2). The loss is the sum of the three losses.
    Shapes: (B, in, H, W) → three times (B, out, H, W): sum, position branch, channel branch.
    Cost per image: 18·hidden·(in + hidden)·H·W + 3·hidden·out·H·W MACs and those of `PAM` and `CAM`.

    Args:
        in_channels: in.
        out_channels: out, the number of classes.
        hidden: Width of both branches; None is `max(1, in // 4)`.
        dropout: Probability that a channel is dropped before it is classified.
        variant: That of `CAM`.

    Raises:
        ShapeError: `in_channels`, `out_channels` or `hidden` is below 1.
        ConfigError: `variant` is unknown.

    >>> import torch
    >>> [y.shape for y in DANetHead(32, 5)(torch.rand(2, 32, 5, 7))] == [(2, 5, 5, 7)] * 3
    True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        hidden: int | None = None,
        dropout: float = 0.1,
        variant: Variant = "official",
    ) -> None:
        super().__init__()
        hidden = max(1, in_channels // 4) if hidden is None else hidden
        require_positive("danet_head", in_channels=in_channels, out_channels=out_channels, hidden=hidden)
        self.position = _branch(in_channels, hidden, PAM(hidden))
        self.channel = _branch(in_channels, hidden, CAM(hidden, variant=variant))
        self.dropout = nn.Dropout2d(dropout)
        self.classify_sum = nn.Conv2d(hidden, out_channels, 1)
        self.classify_position = nn.Conv2d(hidden, out_channels, 1)
        self.classify_channel = nn.Conv2d(hidden, out_channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits of the sum, of the position branch and of the channel branch."""
        position, channel = self.position(x), self.channel(x)
        return (
            self.classify_sum(self.dropout(position + channel)),
            self.classify_position(self.dropout(position)),
            self.classify_channel(self.dropout(channel)),
        )


def _branch(in_channels: int, hidden: int, attention: nn.Module) -> nn.Sequential:
    return nn.Sequential(conv_norm_relu(in_channels, hidden, 3), attention, conv_norm_relu(hidden, hidden, 3))


def cost(
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    *,
    hidden: int | None = None,
    dropout: float = 0.1,
    variant: Variant = "official",
) -> Cost:
    """Closed-form cost of `DANetHead` for one image."""
    hidden = max(1, in_channels // 4) if hidden is None else hidden
    attention = [part.cost(hidden, height, width) for part in (danet_pam, danet_cam)]
    convolutions = conv_norm_params(in_channels, hidden, 3) + conv_norm_params(hidden, hidden, 3)
    return Cost(
        params=sum(c.params for c in attention) + 2 * convolutions + 3 * (hidden + 1) * out_channels,
        macs=sum(c.macs for c in attention)
        + hidden * (18 * (in_channels + hidden) + 3 * out_channels) * height * width,
    )


SPEC = Spec(
    name="danet_head",
    role=Role.HEAD,
    family="context",
    summary="A segmentation head of two branches, attention between positions and between channels, and their sum.",
    build=DANetHead,
    maths=(
        "p = conv_3×3(PAM(conv_3×3(x))), c = conv_3×3(CAM(conv_3×3(x))), each convolution with batch norm and ReLU",
        "y = W(p + c) + b, and W_p p + b_p and W_c c + b_c for two more losses",
    ),
    paper=danet_pam.PAPER,
    official=(
        Official(
            source="junfu1115/DANet:encoding/models/sseg/danet.py:DANetHead",
            licence="MIT",
            build=lambda in_channels, out_channels, norm_layer=None: DANetHead(in_channels, out_channels),
            keys={
                "conv5a.": "position.0.",
                "sa.query_conv.": "position.1.query.",
                "sa.key_conv.": "position.1.key.",
                "sa.value_conv.": "position.1.value.",
                "sa.gamma": "position.1.gamma",
                "conv51.": "position.2.",
                "conv5c.": "channel.0.",
                "sc.": "channel.1.",
                "conv52.": "channel.2.",
                "conv6.1.": "classify_position.",
                "conv7.1.": "classify_channel.",
                "conv8.1.": "classify_sum.",
            },
        ),
    ),
    options={
        "hidden": "width of both branches, None is max(1, in // 4)",
        "dropout": "probability that a channel is dropped before it is classified",
        "variant": "form of the channel attention, see danet_cam",
    },
    variants=danet_cam.SPEC.variants,
    default_reason="The authors' code, which the published weights need.",
    differs=(
        "The paper shows one output; the authors' code trains two more, of the branches, with equal weights.",
        "The channel attention of the code is not that of the paper, see danet_cam.",
    ),
    cost=cost,
    loss_weights=(1.0, 1.0, 1.0),
)
