"""Where a square kernel looks: the arguments of `nn.Conv2d` that place it."""

from dataclasses import dataclass

from visattn.core.checks import require_positive
from visattn.core.errors import ConfigError, ShapeError

Size = int | tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Geometry:
    """Size, stride, padding and dilation of a square kernel, in pixels."""

    kernel_size: int
    stride: int
    padding: int
    dilation: int

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the output height and width for an input's, as `nn.Conv2d` has them.

        >>> Geometry(kernel_size=3, stride=2, padding=1, dilation=1).output_size(7, 8)
        (4, 4)
        """
        reach = self.dilation * (self.kernel_size - 1) + 1 - 2 * self.padding
        return (height - reach) // self.stride + 1, (width - reach) // self.stride + 1


def read_geometry(
    mechanism: str,
    *,
    kernel_size: Size,
    stride: Size,
    padding: Size | None,
    dilation: Size,
    groups: int,
) -> Geometry:
    """Check the arguments of a layer that stands in for `nn.Conv2d`; each is a number or a pair of equal ones.

    Args:
        mechanism: Who asks, for the messages.
        kernel_size: Height and width of the kernel.
        stride: Step between output pixels.
        padding: Zeros around the input; None stands for `kernel_size // 2`.
        dilation: Step between the kernel's taps.
        groups: Must be 1.

    Raises:
        ShapeError: A pair holds two numbers, or a number is below 1, or below 0 for the padding.
        ConfigError: `padding` is a word, or `groups` is not 1.

    >>> read_geometry("drconv", kernel_size=(3, 3), stride=2, padding=None, dilation=1, groups=1)
    Geometry(kernel_size=3, stride=2, padding=1, dilation=1)
    """
    if groups != 1:
        raise ConfigError(f"{mechanism} got groups={groups}, expected 1", hint="leave grouped convolutions as they are")
    size = _square(mechanism, "kernel_size", kernel_size)
    step = _square(mechanism, "stride", stride)
    spread = _square(mechanism, "dilation", dilation)
    require_positive(mechanism, kernel_size=size, stride=step, dilation=spread)
    zeros = size // 2 if padding is None else _square(mechanism, "padding", padding)
    if zeros < 0:
        raise ShapeError(f"{mechanism} got padding={zeros}, expected at least 0")
    return Geometry(kernel_size=size, stride=step, padding=zeros, dilation=spread)


def require_no_dilation(mechanism: str, geometry: Geometry) -> None:
    """Raise `ConfigError` unless the taps are neighbours.

    >>> require_no_dilation("acmix", Geometry(kernel_size=3, stride=1, padding=2, dilation=2))
    Traceback (most recent call last):
    visattn.core.errors.ConfigError: acmix got dilation=2, expected 1: leave dilated convolutions as they are
    """
    if geometry.dilation != 1:
        raise ConfigError(
            f"{mechanism} got dilation={geometry.dilation}, expected 1", hint="leave dilated convolutions as they are"
        )


def _square(mechanism: str, name: str, value: Size) -> int:
    if isinstance(value, str):
        raise ConfigError(f"{mechanism} got {name}={value!r}, expected a number", hint="count the zeros on each side")
    if isinstance(value, int):
        return value
    if len(set(value)) != 1:
        raise ShapeError(f"{mechanism} got {name}={tuple(value)}, expected equal numbers for height and width")
    return value[0]
