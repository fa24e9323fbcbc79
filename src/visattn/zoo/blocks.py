"""Parts of published networks that are more than one mechanism and less than a network."""

from torch import Tensor, nn

from visattn.catalogue import create
from visattn.layers.context.conv_norm import conv_norm_relu
from visattn.layers.context.object_context import ObjectContext, SpatialGather


class StageGates(nn.Module):
    """One gate of its own for the features of each stage.

    Shapes: one (B, C, H, W) per stage → the same.

    Args:
        mechanism: Catalogue name of a gate that is built for one size.
        channels: C of each stage.
        sizes: H and W of each stage.
        options: Options of the gate.

    >>> import torch
    >>> gates = StageGates("rga_s", channels=(8, 16), sizes=((4, 2), (2, 1)))
    >>> [y.shape[1] for y in gates(torch.ones(1, 8, 4, 2), torch.ones(1, 16, 2, 1))]
    [8, 16]
    """

    def __init__(
        self, mechanism: str, *, channels: tuple[int, ...], sizes: tuple[tuple[int, int], ...], **options: int
    ) -> None:
        super().__init__()
        self.gates = nn.ModuleList(
            create(mechanism, width, height=size[0], width=size[1], **options)
            for width, size in zip(channels, sizes, strict=True)
        )

    def forward(self, *features: Tensor) -> tuple[Tensor, ...]:
        """Return the features of every stage under its gate."""
        return tuple(gate(x) for gate, x in zip(self.gates, features, strict=True))


class SpatialOCR(nn.Module):
    """Object-contextual representations of a backbone's features, without the classifiers around them.

    A 3×3 convolution, `SpatialGather` and `ObjectContext`. Shapes: (B, C, H, W) and class maps (B, K, H, W) →
    (B, hidden, H, W).

    Args:
        channels: C.
        hidden: Width of pixels and regions.
        key_channels: Width of the attention.

    >>> import torch
    >>> SpatialOCR(16, hidden=8, key_channels=4)(torch.rand(2, 16, 5, 7), torch.rand(2, 3, 5, 7)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(self, channels: int, *, hidden: int = 512, key_channels: int = 256) -> None:
        super().__init__()
        self.pixels = conv_norm_relu(channels, hidden, 3, bias=True)
        self.gather = SpatialGather()
        self.context = ObjectContext(hidden, hidden, key_channels=key_channels)

    def forward(self, x: Tensor, maps: Tensor) -> Tensor:
        """Return the pixels fused with the context of their regions."""
        pixels = self.pixels(x)
        fused: Tensor = self.context(pixels, self.gather(pixels, maps))
        return fused


def pyramid_context(channels: int, *, key_channels: int = 256, value_channels: int = 256) -> nn.Module:
    """Build the asymmetric pyramid non-local block up to its fusion: it returns context and input side by side.

    Shapes: (B, C, H, W) → (B, 2·C, H, W).

    >>> import torch
    >>> pyramid_context(16, key_channels=4)(torch.rand(2, 16, 5, 7)).shape
    torch.Size([2, 32, 5, 7])
    """
    block = create("apnb", channels, channels, key_channels=key_channels, value_channels=value_channels)
    block.fuse = nn.Identity()
    return block
