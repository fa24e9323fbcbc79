import math

import pytest
import torch

from visattn.catalogue.official import from_official
from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.channel.fcanet import FcaNet, cosine, cost, frequencies
from visattn.layers.channel.se import SE

OFFICIAL = "cfzd/FcaNet:model/layer.py:MultiSpectralAttentionLayer"
STAGES = ((256, 56, 3), (512, 28, 4), (1024, 14, 6), (2048, 7, 3))


@pytest.mark.parametrize("size", [1, 7, 14])
def test_cosines_are_orthonormal(size: int) -> None:
    basis = torch.stack([cosine(f, size) for f in range(size)])
    torch.testing.assert_close(basis @ basis.T, torch.eye(size, dtype=torch.float64))


@pytest.mark.parametrize("size", [(7, 7), (14, 21), (8, 13)])
def test_all_frequencies_of_the_grid_are_orthonormal_at_any_size(size: tuple[int, int]) -> None:
    maps = FcaNet(49, frequency=range(49), size=size).double().basis.flatten(1)
    torch.testing.assert_close(maps @ maps.T, torch.eye(49, dtype=torch.float64), rtol=0, atol=1e-6)


def test_the_first_number_of_a_frequency_counts_the_cycles_down_the_rows() -> None:
    """Frequency 7·1 + 0: half a cosine from top to bottom, constant along the columns."""
    basis = FcaNet(1, frequency=7).basis[0]
    torch.testing.assert_close(basis, basis[:, :1].expand(7, 7))
    assert (basis[:, 0].diff() < 0).all()


def test_the_published_orders() -> None:
    pairs = [divmod(f, 7) for f in frequencies("top", 16)]
    assert pairs == [
        *[(0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0)],
        *[(5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2)],
    ]
    assert frequencies("low", 3) == [0, 1, 7]
    assert frequencies("bottom", 1) == [48]
    for selection in ("top", "low", "bottom"):
        assert len(set(frequencies(selection, 32))) == 32


def test_of_a_constant_image_only_the_first_group_sees_anything() -> None:
    """The lowest frequency is √(H·W) times the mean."""
    squeezed = FcaNet(32).squeeze(torch.full((1, 32, 7, 7), 3.0))
    expected = torch.zeros(1, 32)
    expected[:, :2] = 3 * math.sqrt(49)
    torch.testing.assert_close(squeezed, expected, rtol=1e-5, atol=1e-5)


def test_each_group_of_channels_has_its_frequency() -> None:
    """An image that is one frequency has a component there alone."""
    fca = FcaNet(8, frequency=[0, 5, 16, 48], size=14)
    for group in range(4):
        squeezed = fca.squeeze(fca.basis[group].expand(1, 8, 14, 14))
        expected = torch.zeros(1, 8)
        expected[:, 2 * group : 2 * group + 2] = 1
        torch.testing.assert_close(squeezed, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(7, 7), (9, 16)])
def test_one_frequency_the_lowest_is_se(size: tuple[int, int]) -> None:
    fca, se = FcaNet(12, frequency=0, reduction=3, size=size), SE(12, reduction=3, bias=False)
    with torch.no_grad():
        se.reduce.weight.copy_(fca.reduce.weight * math.sqrt(size[0] * size[1]))
        se.expand.weight.copy_(fca.expand.weight)
    x = torch.randn(2, 12, *size)
    torch.testing.assert_close(fca(x), se(x))


@pytest.mark.parametrize("grown", [14, 21])
def test_frequencies_grow_with_the_size(grown: int) -> None:
    """2 cycles in 7 rows are 4 in 14, and 6 in 21: what grows is the frequency, not the wave."""
    basis = FcaNet(1, frequency=14, size=grown).basis[0, :, 0]
    torch.testing.assert_close(basis.double() * math.sqrt(grown), cosine(2 * grown // 7, grown))


def test_other_sizes_are_pooled() -> None:
    fca, x = FcaNet(16), torch.randn(2, 16, 14, 21)
    torch.testing.assert_close(fca.squeeze(x), fca.squeeze(torch.nn.functional.avg_pool2d(x, (2, 3))))


def test_the_basis_is_no_part_of_the_state() -> None:
    assert list(FcaNet(16).state_dict()) == ["reduce.weight", "expand.weight"]


def test_published_parameters_and_macs_of_fcanet50() -> None:
    assert sum(n * cost(c, s, s, size=s).params for c, s, n in STAGES) == 28_071_976 - 25_557_032
    squeeze = sum(n * (cost(c, s, s, size=s).macs - cost(c, s, s, size=s).params) for c, s, n in STAGES)
    assert squeeze == 5_519_360


def test_bottleneck_keeps_one_unit() -> None:
    assert FcaNet(8, count=8).reduce.out_features == 1


@pytest.mark.parametrize("method", ["best16", "top", "topmost"])
def test_official_selection_that_does_not_exist(method: str) -> None:
    kwargs = {"channel": 16, "dct_h": 7, "dct_w": 7, "freq_sel_method": method}
    with pytest.raises(ConfigError, match=f"fcanet got freq_sel_method='{method}', expected one such as 'top16'"):
        from_official(OFFICIAL, kwargs, {})


@pytest.mark.parametrize(("channels", "hint"), [(24, "8 would do"), (17, "take one frequency")])
def test_channels_that_do_not_fall_into_groups(channels: int, hint: str) -> None:
    with pytest.raises(
        ShapeError, match=f"fcanet with 16 frequencies needs channels divisible by 16, got {channels}: {hint}"
    ):
        FcaNet(channels)


@pytest.mark.parametrize("frequency", [49, -1, [], [0, 49], [0.5]])
def test_frequencies_outside_the_grid(frequency: object) -> None:
    with pytest.raises(ConfigError, match=r"fcanet got frequency=.*, expected numbers from 0 to 48: one is u·7 \+ v"):
        FcaNet(16, frequency=frequency)


@pytest.mark.parametrize("size", [6, (7, 6), (7, 7, 7)])
def test_sizes_without_the_grid(size: object) -> None:
    with pytest.raises(ShapeError, match=r"fcanet got size=.*, expected a height and a width of at least 7: with 7"):
        FcaNet(16, size=size)


def test_errors() -> None:
    with pytest.raises(ShapeError, match="fcanet got channels=0, expected at least 1"):
        FcaNet(0)
    with pytest.raises(ShapeError, match="fcanet got reduction=0, expected at least 1"):
        FcaNet(16, reduction=0)
    with pytest.raises(ConfigError, match="fcanet got selection='bot', expected one of 'top', 'low', 'bottom'"):
        FcaNet(16, selection="bot")
    for count in (0, 33):
        with pytest.raises(ConfigError, match=f"fcanet got count={count}, expected 1 to 32: the paper's best is 16"):
            FcaNet(16, count=count)
