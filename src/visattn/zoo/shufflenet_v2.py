"""ShuffleNetV2 in its authors' form, with the unit given.

Paper: Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, ECCV 2018,
arXiv:1807.11164, table 5.
"""

from collections.abc import Callable

from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive

Unit = Callable[[int, int, int], nn.Module]
"""Builds a unit from input channels, output channels and stride."""

CHANNELS = {"0.5": (48, 96, 192), "1.0": (116, 232, 464), "1.5": (176, 352, 704)}
"""Width → output channels of the three stages."""

DEPTHS = (4, 8, 4)


class ShuffleNetV2(nn.Module):
    """A 3×3 convolution, max pooling, three stages of units, a 1×1 convolution, the mean and a linear classifier.

    Shapes: (B, 3, H, W) → (B, num_classes).

    Args:
        unit: Builds the units; the first of each stage has stride 2.
        width: "0.5", "1.0" or "1.5".
        num_classes: Outputs.

    Raises:
        ConfigError: `width` is none of these.
        ShapeError: `num_classes` is below 1.

    >>> import torch
    >>> def plain(in_channels, out_channels, stride):
    ...     return nn.Conv2d(in_channels, out_channels, 1, stride)
    >>> ShuffleNetV2(plain, width="0.5", num_classes=5)(torch.ones(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(self, unit: Unit, *, width: str = "1.0", num_classes: int = 1000) -> None:
        super().__init__()
        require_choice("ShuffleNetV2", CHANNELS, width=width)
        require_positive("ShuffleNetV2", num_classes=num_classes)
        # the biases have no effect before batch norm, but the published region-aware networks have them
        self.first = nn.Sequential(nn.Conv2d(3, 24, 3, 2, padding=1), nn.BatchNorm2d(24), nn.ReLU())
        self.stages = nn.Sequential()
        in_channels = 24
        for channels, depth in zip(CHANNELS[width], DEPTHS, strict=True):
            self.stages.append(unit(in_channels, channels, 2))
            self.stages.extend(unit(channels, channels, 1) for _ in range(depth - 1))
            in_channels = channels
        self.last = nn.Sequential(nn.Conv2d(in_channels, 1024, 1), nn.BatchNorm2d(1024), nn.ReLU())
        self.fc = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = nn.functional.max_pool2d(self.first(x), 3, 2, padding=1)
        logits: Tensor = self.fc(self.last(self.stages(x)).mean(dim=(2, 3)))
        return logits
