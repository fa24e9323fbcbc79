"""ACmix: local self-attention and a convolution that share their 1×1 projections.

Paper: Pan et al., On the Integration of Self-Attention and Convolution, CVPR 2022, arXiv:2111.14556, eq. 6-14.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_odd, require_positive
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.conv.geometry import Geometry, Size, read_geometry, require_no_dilation
from visattn.layers.conv.window_attention import window_attention


class ACmix(nn.Module):
    """Weighted sum of attention over a local window and of a convolution, both from the same q, k and v.

    `y = α·attention(q, k, v) + β·convolution(q, k, v)`, α and β learnable and 0.5 at the start. Attention: each pixel
    attends to the k_a×k_a window around it, mirrored at the border, by `softmax_j(q_i · (k_j + p_i − p_j) / √d)`, with
    a learned linear map p of the coordinates; `p_i` cancels. Convolution: a 1×1 map mixes the heads of q, k and v into
    k² maps per channel of a head, and a grouped k×k convolution, which starts as k² shifts, adds them up.
    Shapes: (B, C, H, W) → (B, out, H', W'), as `nn.Conv2d`; H and W must be above `kernel_attention // 2`.

    Args:
        in_channels: C.
        out_channels: out, divisible by `heads`.
        kernel_size: k, odd, of the convolution.
        stride: As in `nn.Conv2d`.
        padding: Must be `kernel_size // 2`, which is the default.
        dilation: Must be 1.
        groups: Must be 1.
        bias: Has no effect: q, k and v always have biases, and that of v is one of the result already.
        kernel_attention: k_a, odd.
        heads: Number of heads, of d = out / heads channels each.
        tile: Squares of tile×tile queries share their keys. The result does not depend on it, speed and MACs do.

    Raises:
        ShapeError: A size is below 1, a kernel size is even, `padding` is another, `out_channels` is not divisible by
            `heads`, or, in forward, the input is too small for the window.
        ConfigError: `dilation` or `groups` is not 1.

    >>> ACmix(16, 8, 3, stride=2)(torch.ones(2, 16, 7, 9)).shape
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
        kernel_attention: int = 7,
        heads: int = 4,
        tile: int = 4,
    ) -> None:
        super().__init__()
        require_positive("acmix", in_channels=in_channels, out_channels=out_channels, heads=heads, tile=tile)
        require_odd("acmix", kernel_attention=kernel_attention)
        geometry = _geometry(kernel_size, stride, padding, dilation, groups)
        if out_channels % heads:
            raise ShapeError(
                f"acmix got out_channels={out_channels} and heads={heads}, expected a multiple of the heads",
                hint="pass another number of heads",
            )
        size, width = geometry.kernel_size, out_channels // heads
        self.stride = geometry.stride
        self.kernel_attention = kernel_attention
        self.heads = heads
        self.tile = tile
        self.query = nn.Conv2d(in_channels, out_channels, 1)
        self.key = nn.Conv2d(in_channels, out_channels, 1)
        self.value = nn.Conv2d(in_channels, out_channels, 1)
        self.position = nn.Conv2d(2, width, 1)
        self.mix = nn.Conv2d(3 * heads, size**2, 1, bias=False)
        self.shift = nn.Conv2d(
            width * size**2, out_channels, size, self.stride, geometry.padding, groups=width, bias=False
        )
        with torch.no_grad():
            self.shift.weight.copy_(torch.eye(size**2).reshape(size**2, size, size))
        self.attention_rate = nn.Parameter(torch.full((1,), 0.5))
        self.convolution_rate = nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Return the two paths' weighted sum."""
        radius = self.kernel_attention // 2
        if min(x.shape[2:]) <= radius:
            raise ShapeError(
                f"acmix got a {x.shape[2]}×{x.shape[3]} input, expected height and width above {radius}",
                hint="the border is mirrored, so pass a smaller kernel_attention",
            )
        q, k, v = self.query(x), self.key(x), self.value(x)
        return self.attention_rate * self.attend(q, k, v) + self.convolution_rate * self.convolve(q, k, v)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return the attention path; the channels of a head are next to each other."""
        apart = (q.shape[0] * self.heads, -1)
        q = q[..., :: self.stride, :: self.stride]
        y = window_attention(
            q.reshape(*apart, *q.shape[2:]),
            k.reshape(*apart, *k.shape[2:]) - self.position(coordinates(k)),
            v.reshape(*apart, *v.shape[2:]),
            window=self.kernel_attention,
            stride=self.stride,
            tile=self.tile,
        )
        return y.reshape(q.shape)

    def convolve(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return the convolution path; the channels of the same number in each head are next to each other."""
        batch, channels, height, width = q.shape
        heads = torch.cat((q, k, v), dim=1).reshape(batch, 3 * self.heads, channels // self.heads, height * width)
        maps: Tensor = self.mix(heads)
        y: Tensor = self.shift(maps.transpose(1, 2).reshape(batch, -1, height, width))
        return y

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"kernel_attention={self.kernel_attention}, heads={self.heads}, tile={self.tile}"


def coordinates(x: Tensor) -> Tensor:
    """Return the column and row of each pixel of `x` between −1 and 1, (1, 2, H, W) on its device.

    >>> coordinates(torch.ones(1, 8, 2, 3))[0, :, 0]
    tensor([[-1.,  0.,  1.],
            [-1., -1., -1.]])
    """
    rows, columns = (torch.linspace(-1, 1, size, device=x.device, dtype=x.dtype) for size in x.shape[2:])
    return torch.stack((columns.expand(x.shape[2:]), rows[:, None].expand(x.shape[2:])))[None]


def _geometry(kernel_size: Size, stride: Size, padding: Size | None, dilation: Size, groups: int) -> Geometry:
    geometry = read_geometry(
        "acmix", kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    require_odd("acmix", kernel_size=geometry.kernel_size)
    require_no_dilation("acmix", geometry)
    if geometry.padding != geometry.kernel_size // 2:
        raise ShapeError(
            f"acmix got padding={geometry.padding} with kernel_size={geometry.kernel_size}, "
            f"expected {geometry.kernel_size // 2}",
            hint="attention has one query per pixel, so only the same padding fits",
        )
    return geometry


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
    kernel_attention: int = 7,
    heads: int = 4,
    tile: int = 4,
) -> Cost:
    """Closed-form cost of `ACmix` for one image; `tile=1` gives the k_a² products per query that papers count."""
    geometry = _geometry(kernel_size, stride, padding, dilation, groups)
    rows, columns = geometry.output_size(height, width)
    taps, depth = geometry.kernel_size**2, out_channels // heads
    projections = 3 * in_channels * out_channels + 2 * depth
    mix = 3 * heads * taps
    queries = -(-rows // tile) * -(-columns // tile) * tile**2
    keys = (geometry.stride * (tile - 1) + kernel_attention) ** 2
    return Cost(
        params=projections + 3 * out_channels + depth + mix + out_channels * taps**2 + 2,
        macs=(projections + mix * depth) * height * width
        + out_channels * taps**2 * rows * columns
        + 2 * out_channels * queries * keys,
    )


SPEC = Spec(
    name="acmix",
    role=Role.CONV,
    family="conv",
    summary="Attention over a local window and a convolution that share their 1×1 projections, added up.",
    build=ACmix,
    maths=(
        "q, k, v = three 1×1 convolutions of x;  p = a linear map of (column, row)",
        "attention: softmax over the window of q_i · (k_j + p_i − p_j) / √d, applied to v_j, per head",
        "convolution: a 1×1 map mixes the 3·heads maps of q, k and v into k², a grouped k×k convolution adds them up",
        "y = α · attention + β · convolution",
    ),
    paper=Paper(
        title="On the Integration of Self-Attention and Convolution",
        authors="Pan, Ge, Lu, Song, Chen, Huang, Huang",
        venue="CVPR",
        year=2022,
        arxiv="2111.14556",
    ),
    official=(
        Official(
            source="LeapLabTHU/ACmix:ResNet/test_bottleneck.py:ACmix",
            licence="none",
            build=lambda in_planes, out_planes, kernel_att=7, head=4, kernel_conv=3, stride=1, dilation=1: ACmix(
                in_planes,
                out_planes,
                kernel_conv,
                stride,
                dilation=dilation,
                kernel_attention=kernel_att,
                heads=head,
            ),
            keys={
                "rate1": "attention_rate",
                "rate2": "convolution_rate",
                "conv1.": "query.",
                "conv2.": "key.",
                "conv3.": "value.",
                "conv_p.": "position.",
                "fc.": "mix.",
                "dep_conv.": "shift.",
            },
        ),
    ),
    options={
        "kernel_attention": "height and width of the attention window, odd",
        "heads": "number of heads; the output's channels are a multiple of it",
        "tile": "tile×tile queries share their keys: changes speed and MACs, not the result",
    },
    default_reason="A 7×7 window, 4 heads and rates of 0.5, as in the paper and in the authors' ResNets.",
    differs=(
        "The paper keeps the shift initialisation; the authors' ResNet draws all its convolutions anew and loses it.",
        "The paper does not say that the last convolution has no bias; in the code it is set to None.",
        "The position of the query and the bias of the position map cancel in the softmax; the bias is kept for the "
        "published weights.",
        "The authors' code fails at odd sizes with stride 2; here queries sit at every second pixel, as the "
        "convolution's outputs do.",
        "Its position map is float32 and on the first GPU; here it follows the input.",
        "`bias` has no effect: q, k and v have biases in the published networks, whose other convolutions have none.",
        "The published counts have k_a² products per query (`tile=1`); a tile of 4 makes about twice as many.",
    ),
    cost=cost,
    minimum_size=4,
)
