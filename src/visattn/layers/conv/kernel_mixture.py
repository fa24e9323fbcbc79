"""A bank of kernels that are mixed into one for every image, and the convolution with it."""

import torch
from torch import Tensor, nn

from visattn.layers.conv.conv_weights import take_over
from visattn.layers.conv.geometry import Geometry


class KernelMixture(nn.Module):
    """`y = (Σ_n s_n K_n) ⋆ x + Σ_n s_n b_n`, the shares s given for each image.

    Each kernel starts as that of `nn.Conv2d`. Shapes: x (B, C, H, W) and shares (B, N) → (B, out, H', W').

    >>> geometry = Geometry(kernel_size=3, stride=2, padding=1, dilation=1)
    >>> KernelMixture(4, 8, geometry, groups=1, bias=True, count=3)(torch.ones(2, 4, 7, 9), torch.ones(2, 3)).shape
    torch.Size([2, 8, 4, 5])
    """

    def __init__(
        self, in_channels: int, out_channels: int, geometry: Geometry, *, groups: int, bias: bool, count: int
    ) -> None:
        super().__init__()
        self.geometry = geometry
        self.groups = groups
        self.count = count
        start = [nn.Conv2d(in_channels, out_channels, geometry.kernel_size, groups=groups) for _ in range(count)]
        self.weight = nn.Parameter(torch.cat([conv.weight.detach() for conv in start]))
        self.bias = nn.Parameter(torch.zeros(count, out_channels)) if bias else None

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        """Return the convolution of each image with its own kernel."""
        batch = len(x)
        kernels = shares @ self.weight.reshape(self.count, -1)
        y = nn.functional.conv2d(
            # images become groups, so that each meets its own kernel
            x.reshape(1, -1, *x.shape[2:]),
            kernels.reshape(-1, *self.weight.shape[1:]),
            stride=self.geometry.stride,
            padding=self.geometry.padding,
            dilation=self.geometry.dilation,
            groups=batch * self.groups,
        )
        y = y.reshape(batch, -1, *y.shape[2:])
        return y if self.bias is None else y + (shares @ self.bias)[..., None, None]


def start_as(mechanism: str, mixture: KernelMixture, conv: nn.Conv2d, share: float) -> None:
    """Make the mixture of equal shares a given convolution, in a way that lets the kernels part in training.

    The kernels differ by random deviations that add up to zero: with equal kernels a mixture could only change in
    strength.

    Raises:
        ShapeError: The weight of `conv` has another shape than the kernels.
        ConfigError: `conv` has a bias and the mixture has none.
    """
    kernels = mixture.weight.reshape(mixture.count, -1, *mixture.weight.shape[1:])
    weight, bias = take_over(mechanism, conv, kernels.shape[1:], mixture.bias is not None)
    total = mixture.count * share
    deviation = 0.5 * weight.square().mean().sqrt() * torch.randn_like(kernels)
    with torch.no_grad():
        mixture.weight.copy_(((weight + deviation - deviation.mean(dim=0)) / total).flatten(0, 1))
        if mixture.bias is not None:
            mixture.bias.copy_((bias / total).expand_as(mixture.bias))
