"""CAM: channel attention module, every channel receives a weighted sum of all channels.

Paper: Fu et al., Dual Attention Network for Scene Segmentation, CVPR 2019, arXiv:1809.02983, eq. 3-4.
"""

from contextlib import nullcontext
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.context.danet_pam import PAPER

Variant = Literal["official", "paper"]


class CAM(nn.Module):
    """Add to every channel a weighted sum of all channels.

    `y_c = x_c + γ Σ_d softmax_d(−x_c · x_d) x_d`, with the products over all positions. The paper has no minus
    (Fu et al., eq. 3-4). There are no projections; γ starts at 0, so the module starts as the identity.
    Under autocast the logits keep full precision, because they grow with H·W.
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: 2·C²·H·W MACs.

    Args:
        channels: C.
        variant: "official" attends to the least similar channels, as the authors' code; "paper" to the most similar.

    Raises:
        ShapeError: `channels` is below 1.
        ConfigError: `variant` is unknown.

    >>> x = torch.rand(2, 64, 5, 7)
    >>> torch.equal(CAM(64)(x), x)
    True
    """

    def __init__(self, channels: int, *, variant: Variant = "official") -> None:
        super().__init__()
        require_positive("danet_cam", channels=channels)
        require_choice("danet_cam", get_args(Variant), variant=variant)
        self.variant = variant
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` plus γ times what its channels receive from each other."""
        flat = x.flatten(2)
        return x + self.gamma * torch.matmul(self.weights(flat), flat).reshape(x.shape)

    def weights(self, flat: Tensor) -> Tensor:
        """Return how much each channel attends to each other, (B, C, N) → (B, C, C)."""
        device, exact = flat.device.type, flat.to(torch.promote_types(flat.dtype, torch.float32))
        with torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext():
            similarity = torch.matmul(exact, exact.transpose(1, 2))
        logits = -similarity if self.variant == "official" else similarity
        return logits.softmax(dim=2).to(flat.dtype)

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"variant={self.variant!r}"


def cost(channels: int, height: int, width: int, *, variant: Variant = "official") -> Cost:
    """Closed-form cost of `CAM` for one image."""
    return Cost(params=1, macs=2 * channels**2 * height * width)


SPEC = Spec(
    name="danet_cam",
    role=Role.GATE,
    family="context",
    summary="Every channel receives a sum of all channels, weighted by their products; the channel half of DANet.",
    build=CAM,
    maths=(
        "w_cd = softmax over the channels d of −x_c · x_d, the products over all positions",
        "y_c = x_c + γ Σ_d w_cd x_d",
    ),
    paper=PAPER,
    official=(
        Official(
            source="junfu1115/DANet:encoding/nn/da_att.py:CAM_Module",
            licence="MIT",
            build=lambda in_dim: CAM(channels=in_dim),
        ),
    ),
    options={"variant": "whether similar channels get small weights ('official') or large ones ('paper')"},
    variants={
        "official": "softmax of minus the products, as in the authors' code",
        "paper": "softmax of the products, as in the paper's formula",
    },
    default_reason=(
        "The published weights and results are of the code's form; its author answered that the formula's did worse."
    ),
    differs=(
        "The paper attends to similar channels, the authors' code, with the maximum minus the products, to dissimilar.",
        "The products are sums over H·W, so the softmax picks nearly one channel on large maps, and half precision "
        "loses them or overflows; here they are computed in full precision.",
    ),
    cost=cost,
    starts_as_identity=True,
)
