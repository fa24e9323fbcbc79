"""What to compare a mechanism with: nothing at all, and as many plain parameters.

Both start as the identity, so `plug_` attaches them without a blend. For a convolution that a mechanism replaces, the
control is a gate on the convolution's output: `plug_(model, control, role="gate", where=paths, example=x)`.
"""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ConfigError
from visattn.plug.sites import Site


class NoOp(nn.Module):
    """Add nothing: `y = x · (1 + 2⁻²⁰)`.

    In float32 the factor changes the last bits of the features and nothing else, so training takes another path to an
    equally good place. How far the results of such runs lie apart is the noise that a mechanism's gain must exceed. In
    types with fewer than 20 bits of fraction it is the exact identity.
    Shapes: any → same. Cost: none.

    >>> import torch
    >>> NoOp()(torch.ones(1)).item() - 1 == 2**-20
    True
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, in other last bits."""
        return x * (1 + 2**-20)


class PointwiseControl(nn.Module):
    """Spend about `params` parameters on plain 1×1 convolutions, without attention.

    `y = x + W₂ relu(W₁ x)` with a bottleneck of `h = max(1, round(params / 2C))` channels and `W₂ = 0` at the start. It
    has `2·C·h` parameters, so it misses `params` by C at most. Below 1.5·C it is `y = x + w · x` with one weight per
    channel, which start at 0: C parameters, and the closest there is to a handful.
    Shapes: (B, C, H, W) → same. Cost per image: as many MACs as parameters, times H·W.

    Args:
        channels: C.
        params: How many parameters to come close to.

    Raises:
        ShapeError: `channels` or `params` is below 1.

    >>> PointwiseControl(64, 580).params, PointwiseControl(64, 3).params
    (640, 64)
    """

    def __init__(self, channels: int, params: int) -> None:
        super().__init__()
        require_positive("pointwise control", channels=channels, params=params)
        if params < 1.5 * channels:
            last = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
            self.branch = nn.Sequential(last)
        else:
            hidden = max(1, round(params / (2 * channels)))
            last = nn.Conv2d(hidden, channels, 1, bias=False)
            self.branch = nn.Sequential(nn.Conv2d(channels, hidden, 1, bias=False), nn.ReLU(), last)
        nn.init.zeros_(last.weight)

    @property
    def params(self) -> int:
        """How many parameters it has."""
        return sum(p.numel() for p in self.parameters())

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` plus what the branch makes of it."""
        features: Tensor = self.branch(x)
        return x + features


def no_op(site: Site) -> nn.Module:
    """Build `NoOp` for a site; a factory for `plug_`."""
    return NoOp()


def pointwise_control(params: int | Mapping[str, int]) -> Callable[[Site], nn.Module]:
    """Return a factory for `plug_` that builds a `PointwiseControl`.

    Args:
        params: Parameters at every site, or site path → parameters, as in `{s.path: s.params for s in receipt.sites}`.

    Raises:
        ConfigError: At a site for which there is no number.

    >>> site = Site(path="bn", role="gate", block="", in_channels=8, channels=8, height=4, width=4)
    >>> pointwise_control({"bn": 30})(site).params
    32
    """

    def pointwise(site: Site) -> nn.Module:
        count = params if isinstance(params, int) else params.get(site.path)
        if count is None:
            raise ConfigError(f"no number of parameters for {site.path}", hint="pass one, or an int for every site")
        return PointwiseControl(site.channels, count)

    return pointwise
