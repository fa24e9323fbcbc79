"""Filters that change from region to region of an image, and the convolution with them."""

import math

import torch
from torch import Tensor, nn

from visattn.layers.conv.geometry import Geometry


class KernelBank(nn.Module):
    """Filters of m regions as mixtures of one bank of kernels: `W_j = Σ_n r_jn K_n`, `r = 2σ(linear(mean x)) / N`."""

    def __init__(self, in_channels: int, out_channels: int, geometry: Geometry, regions: int, num_kernels: int) -> None:
        super().__init__()
        size = geometry.kernel_size
        self.geometry = geometry
        # one kernel per column, as in published weights
        self.weight = nn.Parameter(torch.empty(out_channels * in_channels * size**2, num_kernels))
        self.routing = nn.Linear(in_channels, regions * num_kernels)
        bound = math.sqrt(6 / (in_channels * size**2))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.normal_(self.routing.weight, std=0.01)
        nn.init.zeros_(self.routing.bias)

    def parts(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return what the filters for `x` are made of: the bank, (out·C·k², N), and r, (B, m, N)."""
        count = self.weight.shape[-1]
        logits: Tensor = self.routing(x.mean(dim=(2, 3)))
        return self.weight, 2 * logits.reshape(x.shape[0], -1, count).sigmoid() / count

    def apply_filters(self, x: Tensor, shares: Tensor, bank: Tensor, routing: Tensor) -> Tensor:
        """Return `Σ_j shares_j · (W_j ⋆ x)`; a position mixes the kernels' responses, never the kernels."""
        size = self.geometry.kernel_size
        responses = _convolve(x, bank.T.reshape(-1, x.shape[1], size, size), self.geometry)
        mixture = routing.transpose(1, 2) @ shares.flatten(2)
        return _weighted_sum(mixture.reshape(x.shape[0], -1, *shares.shape[2:]), responses)


class FilterGenerator(nn.Module):
    """Filters of m regions from the input pooled to k×k: `expand(σ(reduce(pool x)))`, region by region."""

    def __init__(self, in_channels: int, out_channels: int, geometry: Geometry, regions: int) -> None:
        super().__init__()
        self.geometry = geometry
        self.reduce = nn.Conv2d(in_channels, regions**2, 1)
        self.expand = nn.Conv2d(regions**2, regions * out_channels * in_channels, 1, groups=regions)

    def parts(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the filters for `x`, (B, m·out, C, k, k)."""
        pooled = nn.functional.adaptive_avg_pool2d(x, self.geometry.kernel_size)
        filters: Tensor = self.expand(self.reduce(pooled).sigmoid())
        return (filters.reshape(x.shape[0], -1, x.shape[1], *filters.shape[2:]),)

    def apply_filters(self, x: Tensor, shares: Tensor, filters: Tensor) -> Tensor:
        """Return `Σ_j shares_j · (W_j ⋆ x)`."""
        images = x.reshape(1, -1, *x.shape[2:])
        responses = _convolve(images, filters.flatten(0, 1), self.geometry, groups=x.shape[0])
        return _weighted_sum(shares, responses)


def _convolve(x: Tensor, weight: Tensor, geometry: Geometry, groups: int = 1) -> Tensor:
    return nn.functional.conv2d(
        x, weight, stride=geometry.stride, padding=geometry.padding, dilation=geometry.dilation, groups=groups
    )


def _weighted_sum(weights: Tensor, responses: Tensor) -> Tensor:
    """Sum n maps per output channel with n weights per pixel: (B, n, H', W') and (B · n · out channels in all)."""
    batch, count, height, width = weights.shape
    return (weights.unsqueeze(2) * responses.reshape(batch, count, -1, height, width)).sum(dim=1)


class RegionConv(nn.Module):
    """Convolve each pixel with the filter of the region it is in.

    Shapes: x (B, C, H, W), mask (B, H″, W″) and alpha (B, m, H″, W″) → (B, out, H', W'). Mask and alpha go to the
    output's size by nearest neighbour.
    """

    def __init__(self, filters: KernelBank | FilterGenerator, out_channels: int, bias: bool) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.filters = filters
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor, mask: Tensor, alpha: Tensor, use_alpha: bool = False, beta: float = 1.0) -> Tensor:
        """Return the convolution; `alpha` does not change it, and gets a straight-through gradient.

        Args:
            x: Input.
            mask: Number of the region of each pixel.
            alpha: Soft membership of each pixel in each region.
            use_alpha: Filters learn from all pixels by their soft membership, instead of from those of their region.
            beta: Factor of the gradient of `alpha`.
        """
        parts = self.filters.parts(x)
        hard = nn.functional.one_hot(mask, alpha.shape[1]).movedim(-1, 1).to(alpha.dtype)
        size = self.filters.geometry.output_size(*x.shape[2:])
        if alpha.shape[2:] != size:
            hard, alpha = nn.functional.interpolate(hard, size), nn.functional.interpolate(alpha, size)
        # zero, with the gradient of beta · alpha
        shares = hard + beta * (alpha - alpha.detach())
        if use_alpha and torch.is_grad_enabled():
            y = self.filters.apply_filters(x, shares, *(p.detach() for p in parts))
            soft = self.filters.apply_filters(x.detach(), alpha.detach(), *parts)
            y = y + (soft - soft.detach())
        else:
            y = self.filters.apply_filters(x, shares, *parts)
        return y if self.bias is None else y + self.bias[:, None, None]
