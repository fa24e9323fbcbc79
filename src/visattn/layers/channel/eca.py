"""ECA: efficient channel attention, a gate per channel from its neighbours in channel order.

Paper: Wang et al., ECA-Net: Efficient Channel Attention for Deep CNNs, CVPR 2020, arXiv:1910.03151, eq. 7-9 and 12.
"""

import math

from torch import Tensor, nn

from visattn.core.checks import require_odd, require_positive
from visattn.core.errors import ConfigError
from visattn.core.spec import Cost, Official, Paper, Role, Spec


def adaptive_kernel_size(channels: int, gamma: float = 2, beta: float = 1) -> int:
    """Return the odd kernel size that the paper derives from the width (eq. 12).

    `t = ⌊|(log₂ C + beta) / gamma|⌋`, and `t + 1` where `t` is even, as in the authors' code.

    Args:
        channels: C.
        gamma: Divisor; larger is narrower.
        beta: Offset.

    Raises:
        ShapeError: `channels` is below 1.
        ConfigError: `gamma` is not above 0.

    >>> [adaptive_kernel_size(c) for c in (16, 64, 256, 2048)]
    [3, 3, 5, 7]
    """
    require_positive("eca", channels=channels)
    if gamma <= 0:
        raise ConfigError(f"eca got gamma={gamma}, expected a number above 0", hint="the paper has 2")
    size = int(abs((math.log2(channels) + beta) / gamma))
    return size if size % 2 else size + 1


class ECA(nn.Module):
    """Scale each channel by a gate that one short convolution along the channels computes from their means.

    `s = σ(conv1d_k(z))` with `z` the spatial mean of `x`, zero padding and no bias, and `y = x · s` (Wang et al.,
    eq. 9); with `shared=False` each channel has k weights of its own (eq. 7).
    Shapes: (B, C, H, W) → (B, C, H, W). Cost per image: k·C MACs.

    Args:
        channels: C.
        kernel_size: k, odd; None takes `adaptive_kernel_size(channels, gamma, beta)`.
        gamma: Divisor of the kernel-size formula.
        beta: Offset of the kernel-size formula, the paper's b.
        shared: One set of k weights for all channels; False is the paper's ECA-NS with k·C weights.

    Raises:
        ShapeError: `channels` is below 1, or `kernel_size` is not odd.
        ConfigError: `gamma` is not above 0.

    >>> import torch
    >>> eca = ECA(256)
    >>> eca.conv.kernel_size, eca(torch.ones(2, 256, 5, 7)).shape
    ((5,), torch.Size([2, 256, 5, 7]))
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int | None = None,
        gamma: float = 2,
        beta: float = 1,
        shared: bool = True,
    ) -> None:
        super().__init__()
        adaptive = adaptive_kernel_size(channels, gamma, beta)
        size = adaptive if kernel_size is None else kernel_size
        require_odd("eca", kernel_size=size)
        self.shared = shared
        self.padding = size // 2
        width = 1 if shared else channels
        self.conv = nn.Conv1d(width, width, size, groups=width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled channel by channel."""
        pooled = nn.functional.pad(x.mean(dim=(2, 3)), (self.padding, self.padding))
        # without sharing, the k neighbours of a channel become the length, so that the channels can be groups
        windows = pooled[:, None] if self.shared else pooled.unfold(1, 2 * self.padding + 1, 1)
        gate: Tensor = self.conv(windows).sigmoid()
        return x * gate.reshape(*x.shape[:2], 1, 1)


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    kernel_size: int | None = None,
    gamma: float = 2,
    beta: float = 1,
    shared: bool = True,
) -> Cost:
    """Closed-form cost of `ECA` for one image."""
    size = adaptive_kernel_size(channels, gamma, beta) if kernel_size is None else kernel_size
    return Cost(params=size if shared else size * channels, macs=size * channels)


SPEC = Spec(
    name="eca",
    role=Role.GATE,
    family="channel",
    summary="A gate per channel, from one short convolution along the globally pooled channels.",
    build=ECA,
    maths=(
        "z = mean over H×W of x",
        "k = t if t is odd else t + 1, with t = ⌊|(log₂ C + b) / γ|⌋, γ = 2, b = 1",
        "s = σ(conv1d_k(z)), along the channels, zero padding, no bias",
        "y = x · s",
    ),
    paper=Paper(
        title="ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks",
        authors="Wang, Wu, Zhu, Li, Zuo, Hu",
        venue="CVPR",
        year=2020,
        arxiv="1910.03151",
    ),
    official=(
        Official(
            source="BangguWu/ECANet:models/eca_module.py:eca_layer",
            licence="MIT",
            build=lambda channel, k_size=3: ECA(channel, kernel_size=k_size),
        ),
        Official(
            source="BangguWu/ECANet:models/eca_ns.py:eca_layer",
            licence="MIT",
            build=lambda channel, k_size: ECA(channel, kernel_size=k_size, shared=False),
        ),
    ),
    options={
        "kernel_size": "k, odd; None derives it from C",
        "gamma": "divisor of the kernel-size formula",
        "beta": "offset of the kernel-size formula, the paper's b",
        "shared": "one set of k weights for all channels, or k weights per channel (the paper's ECA-NS)",
    },
    default_reason="The kernel size follows the paper's formula; released checkpoints need theirs passed explicitly.",
    differs=(
        "The authors' layer ignores its channel argument: k must be passed, and is 3 if it is not.",
        "The released ECA-Net-50 uses k = 3, 5, 5, 7 in its four stages; the formula on the layer's width gives 5, 5, "
        "5, 7 (86 weights in all instead of the paper's 80).",
        "The code in the paper's figure 3 leaves out the sigmoid.",
        "Some copies add a bias to the convolution, or keep k = 3 at every width.",
        "timm forces k to at least 3, which differs from the formula below 8 channels.",
    ),
    cost=cost,
)
