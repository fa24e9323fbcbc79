"""OCR: object-contextual representations, pixels fused with the representation of the object they may belong to.

Paper: Yuan et al., Object-Contextual Representations for Semantic Segmentation, ECCV 2020, arXiv:1909.11065.
"""

from typing import Literal, get_args

from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.context import object_context
from visattn.layers.context.conv_norm import conv_norm_params, conv_norm_relu
from visattn.layers.context.object_context import ObjectAttention, ObjectContext, SpatialGather

Variant = Literal["openseg", "hrnet"]


class OCR(nn.Module):
    """Classify each pixel from its features and from the regions that a coarser classifier finds.

    A small auxiliary head classifies the features of the stage before; `SpatialGather` pools one region per class
    under its logits, `ObjectContext` attends from each pixel to the regions, and a 1×1 convolution classifies the
    result (Yuan et al., fig. 3). The auxiliary logits are an output, because the regions are only objects if a loss
    makes them so; its weight is 0.4.
    Shapes: (B, in, H, W) and (B, low, H, W) → twice (B, out, H, W): logits, auxiliary logits.
    Cost per image: (9·in·hidden + aux + hidden·out)·H·W MACs and those of `SpatialGather` and `ObjectContext`, where
    aux is low·9·hidden + hidden·out ("openseg") or low·(low + out) ("hrnet").

    Args:
        in_channels: in.
        out_channels: out, the number of classes and of regions.
        low_channels: low; None is `max(1, in // 2)`, as in a ResNet. HRNet's head gets the same features twice.
        hidden: Width of the pixels and of the regions.
        key_channels: Width of the attention.
        sub_sample: That of `ObjectAttention`.
        dropout: Probability that a channel is dropped before it is classified.
        variant: "openseg" has biases in all convolutions and a 3×3 convolution to `hidden` channels with dropout in
            the auxiliary head; "hrnet" has no biases in the attention and a 1×1 convolution of low channels there.

    Raises:
        ShapeError: A number of channels or `sub_sample` is below 1, or the two inputs differ in height or width.
        ConfigError: `variant` is unknown.

    >>> import torch
    >>> y, auxiliary = OCR(32, 5, hidden=8, key_channels=4)(torch.rand(2, 32, 6, 7), torch.rand(2, 16, 6, 7))
    >>> y.shape, auxiliary.shape
    (torch.Size([2, 5, 6, 7]), torch.Size([2, 5, 6, 7]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        low_channels: int | None = None,
        hidden: int = 512,
        key_channels: int = 256,
        sub_sample: int = 1,
        dropout: float = 0.05,
        variant: Variant = "openseg",
    ) -> None:
        super().__init__()
        low_channels = max(1, in_channels // 2) if low_channels is None else low_channels
        require_positive("ocr", in_channels=in_channels, out_channels=out_channels, low_channels=low_channels)
        require_positive("ocr", hidden=hidden)
        require_choice("ocr", get_args(Variant), variant=variant)
        openseg = variant == "openseg"
        auxiliary = (
            nn.Sequential(conv_norm_relu(low_channels, hidden, 3, bias=True), nn.Dropout2d(dropout))
            if openseg
            else conv_norm_relu(low_channels, low_channels, bias=True)
        )
        self.auxiliary = nn.Sequential(auxiliary, nn.Conv2d(hidden if openseg else low_channels, out_channels, 1))
        self.pixels = conv_norm_relu(in_channels, hidden, 3, bias=True)
        self.gather = SpatialGather()
        self.context = ObjectContext(
            hidden, hidden, key_channels=key_channels, sub_sample=sub_sample, bias=openseg, dropout=dropout
        )
        self.classify = nn.Conv2d(hidden, out_channels, 1)

    def forward(self, x: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and the auxiliary logits from the last stage `x` and the stage before."""
        pixels, maps = self.pixels(x), self.auxiliary(low)
        return self.classify(self.context(pixels, self.gather(pixels, maps))), maps


def cost(
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    *,
    low_channels: int | None = None,
    hidden: int = 512,
    key_channels: int = 256,
    sub_sample: int = 1,
    dropout: float = 0.05,
    variant: Variant = "openseg",
) -> Cost:
    """Closed-form cost of `OCR` for one image."""
    low_channels = max(1, in_channels // 2) if low_channels is None else low_channels
    openseg = variant == "openseg"
    middle, taps = (hidden, 9) if openseg else (low_channels, 1)
    context = object_context.cost(
        hidden,
        hidden,
        out_channels,
        height,
        width,
        key_channels=key_channels,
        sub_sample=sub_sample,
        bias=openseg,
    )
    return Cost(
        params=context.params
        + conv_norm_params(in_channels, hidden, 3, bias=True)
        + conv_norm_params(low_channels, middle, 3 if openseg else 1, bias=True)
        + (hidden + middle + 2) * out_channels,
        macs=context.macs
        + (9 * in_channels * hidden + taps * low_channels * middle + (hidden + middle) * out_channels) * height * width,
    )


_OPENSEG = "openseg-group/openseg.pytorch:lib/models/modules/spatial_ocr_block.py"
_HRNET = "HRNet/HRNet-Semantic-Segmentation:lib/models/seg_hrnet_ocr.py"
_ATTENTION_KEYS = {
    "f_pixel.0.": "query.0.0.",
    "f_pixel.1.0.": "query.0.1.",
    "f_pixel.2.": "query.1.0.",
    "f_pixel.3.0.": "query.1.1.",
    "f_object.0.": "key.0.0.",
    "f_object.1.0.": "key.0.1.",
    "f_object.2.": "key.1.0.",
    "f_object.3.0.": "key.1.1.",
    "f_down.0.": "value.0.",
    "f_down.1.0.": "value.1.",
    "f_up.0.": "output.0.",
    "f_up.1.0.": "output.1.",
}
_CONTEXT_KEYS = {
    **{f"object_context_block.{theirs}": f"attention.{ours}" for theirs, ours in _ATTENTION_KEYS.items()},
    "conv_bn_dropout.0.": "fuse.0.",
    "conv_bn_dropout.1.0.": "fuse.1.",
}


def _official(file: str, bias: bool) -> tuple[Official, ...]:
    """Return the entries of the three classes that both repositories have."""

    def attention(in_channels: int, key_channels: int, scale: int = 1, bn_type: str | None = None) -> ObjectAttention:
        return ObjectAttention(in_channels, key_channels=key_channels, sub_sample=scale, bias=bias)

    def context(
        in_channels: int,
        key_channels: int,
        out_channels: int,
        scale: int = 1,
        dropout: float = 0.1,
        bn_type: str | None = None,
    ) -> ObjectContext:
        return ObjectContext(
            in_channels, out_channels, key_channels=key_channels, sub_sample=scale, bias=bias, dropout=dropout
        )

    return (
        Official(
            source=f"{file}:SpatialGather_Module",
            licence="MIT",
            build=lambda cls_num=0, scale=1: SpatialGather(scale=scale),
        ),
        Official(source=f"{file}:ObjectAttentionBlock2D", licence="MIT", build=attention, keys=_ATTENTION_KEYS),
        Official(source=f"{file}:SpatialOCR_Module", licence="MIT", build=context, keys=_CONTEXT_KEYS),
    )


SPEC = Spec(
    name="ocr",
    role=Role.HEAD,
    family="context",
    summary="A segmentation head that pools one region per class from a coarse result, and lets pixels attend to them.",
    build=OCR,
    maths=(
        "m = auxiliary logits from the stage before, x = conv_3×3 of the last stage",
        "f_k = Σ_i softmax over the positions i of m_ki · x_i, one region for each class k",
        "c_i = ρ(Σ_k softmax over the classes k of φ(x_i) · ψ(f_k) / √d · δ(f_k))",
        "y_i = W relu(BN(W_f [c_i; x_i])) + b",
        "loss = cross entropy of y + 0.4 · cross entropy of m",
    ),
    paper=Paper(
        title="Object-Contextual Representations for Semantic Segmentation",
        authors="Yuan, Chen, Wang",
        venue="ECCV",
        year=2020,
        arxiv="1909.11065",
    ),
    official=(*_official(_OPENSEG, bias=True), *_official(_HRNET, bias=False)),
    options={
        "low_channels": "channels of the stage before, None is max(1, in // 2)",
        "hidden": "width of the pixels and of the regions",
        "key_channels": "width of the attention",
        "sub_sample": "max-pool the pixels by this before the attention, and enlarge the context after",
        "dropout": "probability that a channel is dropped before it is classified",
        "variant": "which of the authors' two heads",
    },
    variants={
        "openseg": "the head for ResNets: biases in all convolutions, a 3×3 convolution in the auxiliary head",
        "hrnet": "the head for HRNet: no biases in the attention, a 1×1 convolution in the auxiliary head",
    },
    default_reason="The head for ResNets, with the published widths, takes features of any backbone.",
    differs=(
        "The softmax of the class maps runs over the positions; HRNet's code ran it over the classes at one time.",
        "The authors have two heads, with and without biases, whose auxiliary parts differ; see the variants.",
        "Their networks return the auxiliary logits first; here the result is first, as in every head.",
        "mmsegmentation returns the pixels without their context when it sub-samples.",
    ),
    cost=cost,
    loss_weights=(1.0, 0.4),
)
