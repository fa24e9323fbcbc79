"""ACmix in a Swin transformer: attention within windows and a convolution from the same queries, keys and values.

Paper: Pan et al., On the Integration of Self-Attention and Convolution, CVPR 2022, arXiv:2111.14556, sec. 4.3.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from visattn.core.checks import require_multiple, require_positive
from visattn.core.errors import ConfigError, ShapeError
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.conv import acmix
from visattn.layers.conv.partition_attention import PartitionAttention
from visattn.layers.conv.shared_convolution import convolve_heads, shifting
from visattn.layers.hosts.swin_block import SwinBlock


class ACmixSwin(nn.Module):
    """Weighted sum of attention within windows and of a 3×3 convolution, both from the same q, k and v.

    `y = α·W_o attention(q, k, v) + β·convolution(q, k, v)`, α and β learnable and 1 at the start. The attention is
    `PartitionAttention`; the convolution is that of `ACmix`, and sees the map shifted as the windows are.
    Shapes: (B, C, H, W) → (B, C, H, W).

    Args:
        channels: C, divisible by `heads`.
        heads: Number of heads.
        window: w, height and width of a window.
        shift: Pixels by which the windows are shifted, below w; every second block of a Swin transformer has `w // 2`.
        bias: Biases of q, k and v.

    Raises:
        ShapeError: A size is below 1, or `channels` is no multiple of `heads`.
        ConfigError: `shift` is not between 0 and w − 1.

    >>> ACmixSwin(16)(torch.ones(2, 16, 9, 7)).shape
    torch.Size([2, 16, 9, 7])
    """

    def __init__(self, channels: int, *, heads: int = 4, window: int = 7, shift: int = 0, bias: bool = True) -> None:
        super().__init__()
        require_positive("acmix_swin", channels=channels, heads=heads, window=window)
        require_multiple("acmix_swin", "heads", heads, channels=channels)
        if not 0 <= shift < window:
            raise ConfigError(f"acmix_swin got shift={shift} with window={window}, expected 0 to {window - 1}")
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=bias)
        self.attention = PartitionAttention(heads, window, shift)
        self.project = nn.Conv2d(channels, channels, 1)
        self.mix = nn.Conv2d(3 * heads, 9, 1)
        self.shift = shifting(channels, heads, 3)
        self.attention_rate = nn.Parameter(torch.ones(1))
        self.convolution_rate = nn.Parameter(torch.ones(1))
        for linear in (self.qkv, self.project):
            nn.init.trunc_normal_(linear.weight, std=0.02)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the two paths' weighted sum."""
        qkv: Tensor = self.qkv(x)
        attended: Tensor = self.project(self.attention(*qkv.chunk(3, dim=1)))
        shift = self.attention.shift_for(*x.shape[2:])
        convolved = convolve_heads(_roll(qkv, -shift), self.attention.heads, self.mix, self.shift)
        return self.attention_rate * attended + self.convolution_rate * _roll(convolved, shift)


def _roll(x: Tensor, pixels: int) -> Tensor:
    return x.roll((pixels, pixels), dims=(2, 3)) if pixels else x


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    heads: int = 4,
    window: int = 7,
    shift: int = 0,
    bias: bool = True,
) -> Cost:
    """Closed-form cost of `ACmixSwin` for one image."""
    covered = -(-height // window) * -(-width // window) * window**2
    return Cost(
        params=4 * channels**2
        + 3 * channels * bias
        + channels
        + (2 * window - 1) ** 2 * heads
        + 27 * heads
        + 9
        + 81 * channels
        + 2,
        macs=(4 * channels + 27 + 81) * channels * height * width + 2 * channels * covered * window**2,
    )


def _from_attention(
    dim: int,
    window_size: Sequence[int],
    num_heads: int,
    qkv_bias: bool = True,
    shift_size_of_mask: int = 0,
    **_size: int,
) -> ACmixSwin:
    if len(set(window_size)) != 1:
        raise ShapeError(f"acmix_swin got window_size={tuple(window_size)}, expected equal numbers")
    return ACmixSwin(dim, heads=num_heads, window=window_size[0], shift=shift_size_of_mask, bias=qkv_bias)


def _call_attention(module: ACmixSwin, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Call with a channels-last map that is shifted already; the mask follows from the shift."""
    x = x.permute(0, 3, 1, 2)
    shift = module.attention.shift_for(*x.shape[2:])
    return _roll(module(_roll(x, shift)), -shift).permute(0, 2, 3, 1)


def _from_block(
    dim: int,
    input_resolution: Sequence[int],
    num_heads: int,
    window_size: int = 7,
    shift_size: int = 0,
    mlp_ratio: float = 4.0,
    qkv_bias: bool = True,
    drop_path: float = 0.0,
) -> nn.Module:
    if min(input_resolution) <= window_size:
        shift_size, window_size = 0, min(input_resolution)
    mixer = ACmixSwin(dim, heads=num_heads, window=window_size, shift=shift_size, bias=qkv_bias)
    block = SwinBlock(mixer, dim, mlp_ratio=mlp_ratio, drop_path=drop_path)
    return nn.Sequential(nn.Unflatten(2, tuple(input_resolution)), block, nn.Flatten(2))


_KEYS = {
    "qkv.": "qkv.",
    "relative_position_bias_table": "attention.bias",
    "relative_position_index": None,
    "proj.": "project.",
    "fc.": "mix.",
    "dep_conv.": "shift.",
    "rate1": "attention_rate",
    "rate2": "convolution_rate",
}

_FILE = "LeapLabTHU/ACmix:Swin-Transformer/models/swin_transformer_acmix.py"

SPEC = Spec(
    name="acmix_swin",
    role=Role.GATE,
    family="conv",
    summary="Attention within windows and a convolution that share their 1×1 projections, added up.",
    build=ACmixSwin,
    maths=(
        "q, k, v = one 1×1 convolution of x",
        "attention: softmax over the window of q_i · k_j / √d + b[i − j], applied to v_j, per head",
        "convolution: a 1×1 map mixes the 3·heads maps of q, k and v into 9, a grouped 3×3 convolution adds them up",
        "y = α · W_o attention + β · convolution",
    ),
    paper=acmix.SPEC.paper,
    official=(
        Official(
            source=f"{_FILE}:WindowAttention_acmix",
            licence="none",
            build=_from_attention,
            keys=_KEYS,
            call=_call_attention,
        ),
        Official(
            source=f"{_FILE}:SwinTransformerBlock",
            licence="none",
            build=_from_block,
            keys={
                **{f"attn.{theirs}": ours and f"1.mixer.{ours}" for theirs, ours in _KEYS.items()},
                "attn_mask": None,
                "norm1.": "1.norm1.",
                "norm2.": "1.norm2.",
                "mlp.fc1.": "1.expand.",
                "mlp.fc2.": "1.reduce.",
            },
            call=lambda module, x: module(x.mT).mT,
        ),
    ),
    options={
        "heads": "number of heads; the channels are a multiple of it",
        "window": "w, height and width of a window",
        "shift": "pixels by which the windows are shifted, below w",
        "bias": "biases of q, k and v",
    },
    default_reason=(
        "7×7 windows without shift, as in the first block of each pair in the authors' Swin; 4 heads as in their "
        "ResNets, since their Swin has one head per 32 channels."
    ),
    differs=(
        "The rates start at 1 and the map that mixes the heads has a bias, unlike in the authors' ResNets.",
        "The convolution sees the cyclically shifted map: in a shifted block it joins opposite borders, and stops "
        "where the shift cuts the map.",
        "The authors' code takes channels-last maps whose sides are multiples of the window; here any size will do, "
        "and what a window holds beyond the border counts for nobody.",
        "Other Swin code lets such pixels take part in the softmax, with the biases of q, k and v as their features.",
        "The output projection is on the attention path only.",
    ),
    cost=cost,
)
