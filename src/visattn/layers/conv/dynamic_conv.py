"""Dynamic convolution: a convolution whose kernel is an attention-weighted mean of several, anew for every image.

Paper: Chen et al., Dynamic Convolution: Attention over Convolution Kernels, CVPR 2020, arXiv:1912.03458, eq. 2-4.
"""

from torch import Tensor, nn

from visattn.core.checks import require_multiple, require_positive
from visattn.core.errors import ConfigError
from visattn.core.spec import Cost, Paper, Role, Spec
from visattn.layers.conv.geometry import Geometry, Size, read_geometry
from visattn.layers.conv.kernel_mixture import KernelMixture, start_as


class DynamicConv(nn.Module):
    """Convolution with `Σ_k π_k W_k`, where `π = softmax((A relu(D mean x) + a) / τ)` are weights for an image.

    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`. Cost per image: that of the convolution, (C + K)·hidden
    MACs for the weights and K MACs per parameter of a kernel.

    Args:
        in_channels: C.
        out_channels: out.
        kernel_size: As in `nn.Conv2d`, one number for height and width.
        stride: As in `nn.Conv2d`, one number for height and width.
        padding: As in `nn.Conv2d`; `kernel_size // 2` by default.
        dilation: As in `nn.Conv2d`.
        groups: As in `nn.Conv2d`.
        bias: A bias per kernel, mixed as the kernels are.
        kernels: K.
        reduction: r; the hidden layer has `C // r + 1` units.
        temperature: τ; large values make all kernels learn.

    Attributes:
        temperature: τ, which may be lowered during training; the paper goes from 30 to 1 in the first ten epochs.

    Raises:
        ShapeError: A size or number is below 1, a pair holds two numbers, or the channels are no multiples of `groups`.
        ConfigError: `temperature` is not above 0.

    >>> import torch
    >>> DynamicConv(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
    torch.Size([2, 8, 4, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size = 3,
        stride: Size = 1,
        padding: Size | None = None,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        kernels: int = 4,
        reduction: int = 4,
        temperature: float = 30.0,
    ) -> None:
        super().__init__()
        require_positive("dynamic_conv", in_channels=in_channels, out_channels=out_channels, groups=groups)
        require_positive("dynamic_conv", kernels=kernels, reduction=reduction)
        require_multiple("dynamic_conv", "groups", groups, in_channels=in_channels, out_channels=out_channels)
        if temperature <= 0:
            raise ConfigError(
                f"dynamic_conv got temperature={temperature}, expected a number above 0", hint="the paper has 30"
            )
        geometry = _geometry(kernel_size, stride, padding, dilation)
        hidden = in_channels // reduction + 1
        self.temperature = temperature
        self.reduce = nn.Linear(in_channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, kernels)
        self.mixture = KernelMixture(in_channels, out_channels, geometry, groups=groups, bias=bias, count=kernels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of each image with its own kernel."""
        logits = self.expand(self.reduce(x.mean(dim=(2, 3))).relu())
        y: Tensor = self.mixture(x, (logits / self.temperature).softmax(dim=1))
        return y

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"temperature={self.temperature}"


def from_conv(module: DynamicConv, conv: nn.Conv2d) -> None:
    """Give every kernel the same weight and make their mean `conv`.

    Raises:
        ShapeError: The weight of `conv` has another shape than the module's kernels.
        ConfigError: `conv` has a bias and the module has none.
    """
    start_as("dynamic_conv", module.mixture, conv, share=1 / module.mixture.count)
    for parameter in module.expand.parameters():
        nn.init.zeros_(parameter)


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size) -> Geometry:
    return read_geometry(
        "dynamic_conv", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=1
    )


def cost(
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    *,
    kernel_size: Size = 3,
    stride: Size = 1,
    padding: Size | None = None,
    dilation: Size = 1,
    groups: int = 1,
    bias: bool = True,
    kernels: int = 4,
    reduction: int = 4,
    temperature: float = 30.0,
) -> Cost:
    """Closed-form cost of `DynamicConv` for one image."""
    geometry = _geometry(kernel_size, stride, padding, dilation)
    rows, columns = geometry.output_size(height, width)
    kernel = in_channels // groups * out_channels * geometry.kernel_size**2
    hidden = in_channels // reduction + 1
    weights = hidden * (in_channels + kernels) + kernels * (kernel + out_channels * bias)
    return Cost(params=weights + kernels, macs=weights + kernel * rows * columns)


SPEC = Spec(
    name="dynamic_conv",
    role=Role.CONV,
    family="conv",
    summary="A convolution whose kernel is a mean of several, with attention weights from the pooled image.",
    build=DynamicConv,
    maths=(
        "π = softmax((A relu(D · mean over H×W of x) + a) / τ), one weight per kernel",
        "y = (Σ_k π_k W_k) ⋆ x + Σ_k π_k b_k",
    ),
    paper=Paper(
        title="Dynamic Convolution: Attention over Convolution Kernels",
        authors="Chen, Dai, Liu, Chen, Yuan, Liu",
        venue="CVPR",
        year=2020,
        arxiv="1912.03458",
    ),
    options={
        "kernels": "K, the number of kernels",
        "reduction": "r, the hidden layer has C // r + 1 units",
        "temperature": "τ of the softmax, which may be lowered during training",
    },
    default_reason=(
        "Four kernels, a reduction by 4 and the temperature with which training starts, as in the paper; the first "
        "layer has no bias and one unit more than C / 4, as in the common PyTorch code."
    ),
    differs=(
        "The paper lowers the temperature from 30 to 1 in the first ten epochs; here it stays unless the training loop "
        "sets the attribute `temperature`.",
        "The common PyTorch code starts at 34 and goes down by 3 per epoch.",
        "In the paper batch norm and the activation follow the mixture; here they are the host's.",
        "The authors published no code; the paper does not say where its linear layers have biases.",
    ),
    cost=cost,
    from_conv=from_conv,
)
