"""Object context: regions pooled from soft class maps, and attention from each pixel to these regions.

Paper: Yuan et al., Object-Contextual Representations for Semantic Segmentation, ECCV 2020, arXiv:1909.11065, eq. 2-5.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost
from visattn.layers.context.attend import attend
from visattn.layers.context.conv_norm import conv_norm_params, conv_norm_relu


class SpatialGather(nn.Module):
    """Pool one representation per class: the mean of the features under a softmax of the class map over positions.

    `f_k = Σ_i softmax_i(scale · m_ki) x_i` (Yuan et al., eq. 2).
    Shapes: (B, C, H, W) and (B, K, H, W) → (B, C, K, 1). Cost per image: C·K·H·W MACs.

    Args:
        scale: Factor of the class maps.

    Raises:
        ShapeError: Features and class maps differ in height or width.

    >>> SpatialGather()(torch.ones(2, 8, 5, 7), torch.rand(2, 3, 5, 7)).shape
    torch.Size([2, 8, 3, 1])
    """

    def __init__(self, *, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor, maps: Tensor) -> Tensor:
        """Return the region of each class map."""
        if x.shape[2:] != maps.shape[2:]:
            raise ShapeError(
                f"ocr got features of {tuple(x.shape[2:])} and class maps of {tuple(maps.shape[2:])}, "
                "expected the same size",
                hint="resize the features of the earlier stage first",
            )
        weights = (self.scale * maps.flatten(2)).softmax(dim=2)
        return torch.matmul(x.flatten(2), weights.transpose(1, 2)).unsqueeze(3)


class ObjectAttention(nn.Module):
    """Attend from each pixel to the regions.

    `y_i = ρ(Σ_k softmax_k(φ(x_i) · ψ(f_k) / √d) δ(f_k))` (Yuan et al., eq. 3-4); φ and ψ are two 1×1 convolutions, δ
    and ρ one, each with batch norm and ReLU.
    Shapes: (B, C, H, W) and (B, C, K, 1) → (B, C, H, W).
    Cost per image of N positions: N·(2·C·key + key² + 2·K·key) + K·(2·C·key + key²) MACs; sub-sampling by s divides N
    by s².

    Args:
        channels: C.
        key_channels: d.
        sub_sample: s; the pixels are max-pooled by s before, and the result is enlarged bilinearly after.
        bias: Biases in the convolutions.

    Raises:
        ShapeError: An argument is below 1, or an input is smaller than `sub_sample`.

    >>> ObjectAttention(8, key_channels=4)(torch.rand(2, 8, 5, 7), torch.rand(2, 8, 3, 1)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(self, channels: int, *, key_channels: int, sub_sample: int = 1, bias: bool = True) -> None:
        super().__init__()
        require_positive("ocr", channels=channels, key_channels=key_channels, sub_sample=sub_sample)
        self.sub_sample = sub_sample
        self.query = _transform(channels, key_channels, bias)
        self.key = _transform(channels, key_channels, bias)
        self.value = conv_norm_relu(channels, key_channels, bias=bias)
        self.output = conv_norm_relu(key_channels, channels, bias=bias)

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        """Return the context of each pixel."""
        if min(x.shape[2:]) < self.sub_sample:
            raise ShapeError(
                f"ocr got features of {tuple(x.shape[2:])}, expected at least sub_sample={self.sub_sample} each way",
                hint="pass a smaller sub_sample",
            )
        pixels = nn.functional.max_pool2d(x, self.sub_sample) if self.sub_sample > 1 else x
        query = self.query(pixels)
        y = attend(query.flatten(2), self.key(regions).flatten(2), self.value(regions).flatten(2))
        context: Tensor = self.output(y.unflatten(2, query.shape[2:]))
        if self.sub_sample > 1:
            context = nn.functional.interpolate(context, x.shape[2:], mode="bilinear", align_corners=True)
        return context

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"sub_sample={self.sub_sample}"


def _transform(channels: int, key_channels: int, bias: bool) -> nn.Sequential:
    return nn.Sequential(
        conv_norm_relu(channels, key_channels, bias=bias), conv_norm_relu(key_channels, key_channels, bias=bias)
    )


class ObjectContext(nn.Module):
    """Fuse each pixel with its context from the regions: `relu(BN(W [context; x]))` (Yuan et al., eq. 5).

    Shapes: (B, C, H, W) and (B, C, K, 1) → (B, out, H, W).
    Cost per image: that of `ObjectAttention` and 2·C·out·H·W MACs.

    Args:
        channels: C.
        out_channels: out.
        key_channels: Width of the attention.
        sub_sample: That of `ObjectAttention`.
        bias: Biases in the convolutions.
        dropout: Probability that an output channel is dropped.

    Raises:
        ShapeError: A number of channels or `sub_sample` is below 1.

    >>> ObjectContext(8, 6, key_channels=4)(torch.rand(2, 8, 5, 7), torch.rand(2, 8, 3, 1)).shape
    torch.Size([2, 6, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        *,
        key_channels: int,
        sub_sample: int = 1,
        bias: bool = True,
        dropout: float = 0.05,
    ) -> None:
        super().__init__()
        require_positive("ocr", out_channels=out_channels)
        self.attention = ObjectAttention(channels, key_channels=key_channels, sub_sample=sub_sample, bias=bias)
        self.fuse = conv_norm_relu(2 * channels, out_channels, bias=bias)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        """Return the pixels fused with their context."""
        fused: Tensor = self.dropout(self.fuse(torch.cat((self.attention(x, regions), x), dim=1)))
        return fused


def cost(
    channels: int,
    out_channels: int,
    regions: int,
    height: int,
    width: int,
    *,
    key_channels: int,
    sub_sample: int = 1,
    bias: bool = True,
) -> Cost:
    """Closed-form cost of `ObjectContext` and `SpatialGather` for one image."""
    pixels = (height // sub_sample) * (width // sub_sample)
    once, twice = (
        conv_norm_params(channels, key_channels, bias=bias),
        conv_norm_params(key_channels, key_channels, bias=bias),
    )
    return Cost(
        params=3 * once
        + 2 * twice
        + conv_norm_params(key_channels, channels, bias=bias)
        + conv_norm_params(2 * channels, out_channels, bias=bias),
        macs=(pixels + regions) * (2 * channels * key_channels + key_channels**2)
        + 2 * pixels * regions * key_channels
        + channels * (regions + 2 * out_channels) * height * width,
    )
