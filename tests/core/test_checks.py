import pytest

from visattn.core.checks import require_choice, require_choices, require_multiple, require_odd, require_positive
from visattn.core.errors import ConfigError, ShapeError


def test_require_positive() -> None:
    require_positive("se", channels=1, reduction=16)
    with pytest.raises(ShapeError, match="se got reduction=0, expected at least 1"):
        require_positive("se", channels=1, reduction=0)


@pytest.mark.parametrize(("size", "near"), [(4, "use 3 or 5"), (0, "use 1 or 3"), (-3, "use 1 or 3")])
def test_require_odd(size: int, near: str) -> None:
    require_odd("eca", kernel_size=1, other=7)
    with pytest.raises(ShapeError, match=f"eca got kernel_size={size}, expected an odd number: {near}"):
        require_odd("eca", kernel_size=size)


def test_require_multiple() -> None:
    require_multiple("sk", "groups", 4, in_channels=8, out_channels=4)
    with pytest.raises(ShapeError, match="^sk got out_channels=6, expected a multiple of groups=4$"):
        require_multiple("sk", "groups", 4, in_channels=8, out_channels=6)


def test_require_choice() -> None:
    require_choice("gc", ("att", "avg"), pooling="avg")
    with pytest.raises(ConfigError, match="gc got pooling='max', expected one of 'att', 'avg'"):
        require_choice("gc", ("att", "avg"), pooling="max")


@pytest.mark.parametrize("value", [[], "add", ["add", "sub"]])
def test_require_choices(value: list[str] | str) -> None:
    require_choices("gc", iter(("add", "mul")), fusion=["mul", "add"], other=("add",))
    with pytest.raises(ConfigError, match=r"gc got fusion=.*, expected a list of one or more of 'add', 'mul'"):
        require_choices("gc", ("add", "mul"), fusion=value)
