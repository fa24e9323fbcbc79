"""Itti-Koch-Niebur saliency: what differs from its surround, at several scales, in intensity, colour and orientation.

Paper: Itti, Koch, Niebur, A Model of Saliency-Based Visual Attention for Rapid Scene Analysis, IEEE PAMI 20(11), 1998.
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Paper, Role, Spec
from visattn.layers.gaze.peaks import promote

Variant = Literal["difference", "paper"]

CENTRES, DELTAS, LEVELS = (2, 3, 4), (3, 4), 9
TAPS, GABOR = 5, 9
ANGLES = (0, 45, 90, 135)


class Itti(nn.Module):
    """Compute a saliency map without learning: 42 centre-surround maps, promoted where one place stands out.

    Intensity, red-green, blue-yellow and four orientations are taken at the 6 pairs of a centre scale c ∈ {2, 3, 4} and
    a surround scale c + {3, 4} of a dyadic pyramid. `N` (see `promote`) favours maps with one strong peak. At scale 4,
    `S = ⅓ (N(Ī) + N(C̄) + N(Ō))`.
    Shapes: (B, C, H, W), values from 0 to 1 → (B, 1, ⌈H/16⌉, ⌈W/16⌉). No parameters; differentiable.

    Args:
        channels: 3 for red, green and blue, or 1 for a grey image.
        variant: See `SPEC.variants`.

    Raises:
        ShapeError: `channels` is neither 1 nor 3.
        ConfigError: `variant` is unknown.

    >>> Itti(3)(torch.rand(2, 3, 480, 640)).shape
    torch.Size([2, 1, 30, 40])
    """

    smooth: Tensor
    gabor: Tensor

    def __init__(self, channels: int = 3, *, variant: Variant = "difference") -> None:
        super().__init__()
        if channels not in {1, 3}:
            raise ShapeError(f"itti got channels={channels}, expected 3 (red, green, blue) or 1 (grey)")
        require_choice("itti", get_args(Variant), variant=variant)
        self.variant = variant
        taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self.register_buffer("smooth", torch.outer(taps, taps).expand(3, 1, TAPS, TAPS).clone(), persistent=False)
        self.register_buffer("gabor", _gabor_kernels(), persistent=False)

    def feature_maps(self, x: Tensor) -> list[Tensor]:
        """Return the 42 maps: for each of the 6 pairs of scales (B, 7, h, w), the size of the centre scale.

        The channels are intensity, red-green, blue-yellow, and orientations of 0, 45, 90 and 135 degrees.
        """
        levels = [self._level_features(level) for level in self._pyramid(_opponents(x))]
        sign = torch.ones(7, 1, 1, dtype=x.dtype, device=x.device)
        if self.variant == "paper":
            sign[1:3] = -1
        maps = []
        for c in CENTRES:
            for delta in DELTAS:
                # levels holds the scales from 2 on
                centre, surround = levels[c - 2], levels[c - 2 + delta]
                resized = nn.functional.interpolate(surround, centre.shape[2:], mode="bilinear", align_corners=False)
                maps.append((centre - sign * resized).abs())
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return the saliency map."""
        maps = self.feature_maps(x)
        size = (maps[-1].shape[2], maps[-1].shape[3])
        total = torch.stack([nn.functional.adaptive_avg_pool2d(promote(m), size) for m in maps]).sum(dim=0)
        intensity, colour = total[:, :1], total[:, 1:3].sum(dim=1, keepdim=True)
        orientation = promote(total[:, 3:]).sum(dim=1, keepdim=True)
        return promote(torch.cat((intensity, colour, orientation), dim=1)).mean(dim=1, keepdim=True)

    def _pyramid(self, x: Tensor) -> list[Tensor]:
        levels = [x]
        for _ in range(1, LEVELS):
            padded = nn.functional.pad(levels[-1], (TAPS // 2,) * 4, mode="replicate")
            levels.append(nn.functional.conv2d(padded, self.smooth, stride=2, groups=3))
        return levels[2:]

    def _level_features(self, level: Tensor) -> Tensor:
        padded = nn.functional.pad(level[:, :1], (GABOR // 2,) * 4, mode="replicate")
        even, odd = nn.functional.conv2d(padded, self.gabor).abs().chunk(2, dim=1)
        return torch.cat((level, even + odd), dim=1)

    def extra_repr(self) -> str:
        """Show the option."""
        return f"variant={self.variant!r}"


def _opponents(x: Tensor) -> Tensor:
    """Return intensity, red minus green and blue minus yellow, (B, 3, H, W)."""
    r, g, b = x.expand(-1, 3, -1, -1).unbind(dim=1)
    intensity = (r + g + b) / 3
    # hue is not seen in the dark
    bright = intensity > (0.1 * intensity.amax(dim=(1, 2), keepdim=True)).clamp_min(torch.finfo(x.dtype).tiny)
    safe = torch.where(bright, intensity, 1)
    r, g, b = (torch.where(bright, c / safe, 0) for c in (r, g, b))
    red, green, blue = (r - (g + b) / 2).relu(), (g - (r + b) / 2).relu(), (b - (r + g) / 2).relu()
    yellow = ((r + g) / 2 - (r - g).abs() / 2 - b).relu()
    return torch.stack((intensity, red - green, blue - yellow), dim=1)


def _gabor_kernels(period: float = 7.0, sigma: float = 7 / 3) -> Tensor:
    """Return even, then odd kernels of the four orientations, (8, 1, 9, 9): zero mean and unit norm."""
    offsets = torch.arange(GABOR) - GABOR // 2
    rows, columns = torch.meshgrid(offsets.double(), offsets.double(), indexing="ij")
    envelope = torch.exp(-(rows.square() + columns.square()) / (2 * sigma**2))
    kernels = []
    for phase in (0.0, math.pi / 2):
        for angle in ANGLES:
            across = columns * math.sin(math.radians(angle)) + rows * math.cos(math.radians(angle))
            kernel = envelope * torch.cos(2 * math.pi * across / period - phase)
            kernel = kernel - envelope * kernel.sum() / envelope.sum()
            kernels.append(kernel / kernel.norm())
    return torch.stack(kernels).unsqueeze(1).float()


def cost(channels: int, height: int, width: int, *, variant: Variant = "difference") -> Cost:
    """Closed-form cost of `Itti` for one image."""
    sizes = [(height, width)]
    for _ in range(1, LEVELS):
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    areas = [h * w for h, w in sizes]
    return Cost(params=0, macs=3 * TAPS**2 * sum(areas[1:]) + 2 * len(ANGLES) * GABOR**2 * sum(areas[2:]))


SPEC = Spec(
    name="itti",
    role=Role.GAZE,
    family="gaze",
    summary="A saliency map without learning: what differs from its surround in intensity, colour or orientation.",
    build=Itti,
    maths=(
        "I = (r + g + b) / 3; r, g, b divided by I; R = [r − (g + b)/2]₊, G and B alike, "
        "Y = [(r + g)/2 − |r − g|/2 − b]₊",
        "F(c, s) = |F(c) ⊖ F(s)|, c ∈ {2, 3, 4}, s = c + {3, 4}, F one of I, R − G, B − Y and 4 orientations: 42 maps",
        "N(F): scale to [0, 1], then multiply by (M − m̄)², M = 1 the maximum, m̄ the mean of the other local maxima",
        "Ī = Σ N(I(c, s)), C̄ = Σ N(RG(c, s)) + N(BY(c, s)), Ō = Σ_θ N(Σ N(O(c, s, θ))), at scale 4",
        "S = ⅓ (N(Ī) + N(C̄) + N(Ō)); the maximum wins, its surround is inhibited, and the next one wins",
    ),
    paper=Paper(
        title="A Model of Saliency-Based Visual Attention for Rapid Scene Analysis",
        authors="Itti, Koch, Niebur",
        venue="IEEE PAMI",
        year=1998,
    ),
    options={"variant": "how centre and surround of a colour are compared"},
    variants={
        "difference": "|(R − G)(c) − (R − G)(s)|, and blue-yellow alike: a uniform colour does not stand out",
        "paper": "as printed, |(R − G)(c) − (G − R)(s)|, which adds what the other features subtract",
    },
    default_reason="The difference of the same feature at two scales, as the paper has it for all but colour.",
    differs=(
        "The paper prints the two sides of a colour pair with opposite signs, so a plain red image is not flat.",
        "SaliencyToolbox normalises by iterated differences of Gaussians, of a paper of 2000, unless told otherwise.",
        "pySaliencyMap has one-sided opponents, takes local maxima on a grid of 16 pixels and multiplies by (1 − m̄)².",
        "The paper finds winners with integrate-and-fire neurons; `scan` takes maxima, and inhibits for good.",
        "SaliencyToolbox fades maps out towards the border; here, as the paper says nothing, the border is repeated.",
        "The paper does not give its Gabor filters; here they have a period of 7 pixels in even and odd phase.",
    ),
    cost=cost,
)
