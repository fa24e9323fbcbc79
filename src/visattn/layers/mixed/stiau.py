"""STIAU: spatial-temporal interaction-aggregation-update, body parts related within and across frames of a clip.

Paper: Hou et al., IAUnet: Global Context-Aware Feature Learning for Person Re-Identification, TNNLS 2020,
arXiv:2006.04569.
"""

from torch import Tensor, nn

from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Official, Role, Spec
from visattn.layers.mixed import ciau, part_interaction
from visattn.layers.mixed.part_interaction import PartInteraction, PartRelation


class STIAU(nn.Module):
    """Add to every position of a frame one vector, made of parts that look at each other within and across frames.

    As `SIAU`, with T·K parts, of which i looks at j if they are different parts of one frame or the same part in two
    frames; `u` is the mean over the clip, and each frame gets the vector of its own parts. An image is a clip of one
    frame, for which this is `SIAU`.
    Shapes: (B, C, T, H, W) or (B, C, H, W) → same. Cost per clip: 2·K·C·T·H·W MACs, and terms without H·W.
    In training it needs two or more frames in the batch.

    Args:
        channels: C; parts have max(1, C // 2) values.
        parts: K, two or more.

    Raises:
        ShapeError: `channels` is below 1, `parts` below 2, or the input has neither 4 nor 5 dimensions.

    >>> import torch
    >>> x = torch.rand(2, 16, 3, 5, 7)
    >>> torch.equal(STIAU(16)(x), x)
    True
    """

    def __init__(self, channels: int, *, parts: int = 4) -> None:
        super().__init__()
        self.interaction = PartInteraction("stiau", channels, parts)

    def with_parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the updated clip and the maps of its parts, (B, T, K, H, W), or both without T for an image."""
        return interact("stiau", self.interaction, x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the updated clip."""
        return self.with_parts(x)[0]
