from itertools import product

import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.geometry import Geometry, read_geometry, require_no_dilation

PLAIN = {"kernel_size": 3, "stride": 1, "padding": None, "dilation": 1, "groups": 1}


def test_output_size_is_that_of_a_convolution() -> None:
    for size, stride, padding, dilation in product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2)):
        conv = nn.Conv2d(1, 1, size, stride, padding, dilation, device="meta")
        geometry = Geometry(kernel_size=size, stride=stride, padding=padding, dilation=dilation)
        assert geometry.output_size(11, 14) == conv(torch.empty(1, 1, 11, 14, device="meta")).shape[2:]


def test_a_pair_of_equal_numbers_is_that_number() -> None:
    pairs = read_geometry("it", kernel_size=(5, 5), stride=(2, 2), padding=(1, 1), dilation=(3, 3), groups=1)
    assert pairs == Geometry(kernel_size=5, stride=2, padding=1, dilation=3)


@pytest.mark.parametrize(("kernel_size", "padding"), [(1, 0), (2, 1), (3, 1), (7, 3)])
def test_the_padding_is_half_the_kernel_where_none_is_given(kernel_size: int, padding: int) -> None:
    assert read_geometry("it", **{**PLAIN, "kernel_size": kernel_size}).padding == padding


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"groups": 4}, ConfigError, r"^it got groups=4, expected 1: leave grouped convolutions as they are$"),
        ({"padding": "same"}, ConfigError, "^it got padding='same', expected a number: count the zeros on each side$"),
        ({"kernel_size": (3, 1)}, ShapeError, r"^it got kernel_size=\(3, 1\), expected equal numbers for height"),
        ({"stride": (1, 2)}, ShapeError, r"^it got stride=\(1, 2\), expected equal numbers"),
        ({"stride": 0}, ShapeError, "^it got stride=0, expected at least 1$"),
        ({"kernel_size": 0}, ShapeError, "^it got kernel_size=0, expected at least 1$"),
        ({"dilation": 0}, ShapeError, "^it got dilation=0, expected at least 1$"),
        ({"padding": -1}, ShapeError, "^it got padding=-1, expected at least 0$"),
    ],
)
def test_errors(wrong: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_geometry("it", **{**PLAIN, **wrong})


def test_dilation_where_there_may_be_none() -> None:
    require_no_dilation("it", read_geometry("it", **PLAIN))
    with pytest.raises(ConfigError, match="^it got dilation=2, expected 1: leave dilated convolutions as they are$"):
        require_no_dilation("it", read_geometry("it", **{**PLAIN, "dilation": 2}))
