import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.channel.rga_c import RGAC, cost


@pytest.mark.parametrize(
    ("channels", "height", "width", "params"),
    [(256, 64, 32, 1_590_994), (512, 32, 16, 164_898), (1024, 16, 8, 270_754), (2048, 16, 8, 1_063_650)],
)
def test_parameters_after_each_stage_for_256_by_128(channels: int, height: int, width: int, params: int) -> None:
    assert cost(channels, height, width).params == params


def test_parameters_of_all_four_modules() -> None:
    stages = [(256, 64, 32), (512, 32, 16), (1024, 16, 8), (2048, 16, 8)]
    assert sum(cost(*stage).params for stage in stages) == 3_090_296


def test_one_gate_per_channel() -> None:
    module, x = RGAC(8, 5, 7).double(), torch.randn(2, 8, 5, 7, dtype=torch.float64)
    gate = module(x) / x
    torch.testing.assert_close(gate, gate[:, :, :1, :1].expand_as(gate))
    assert gate.std() > 0


def test_positions_are_told_apart() -> None:
    module, x = RGAC(8, 5, 7).eval(), torch.randn(2, 8, 5, 7)
    assert not torch.allclose(module(x.flip(3)).flip(3), module(x))


def test_errors() -> None:
    with pytest.raises(ShapeError, match="rga_c got channels=0, expected at least 1"):
        RGAC(0, 5, 7)
    with pytest.raises(ShapeError, match="rga_c got height=0, expected at least 1"):
        RGAC(8, 0, 7)
    with pytest.raises(ShapeError, match="rga_c got width=0, expected at least 1"):
        RGAC(8, 5, 0)
    for ratio in ("channel_ratio", "spatial_ratio", "down_ratio"):
        with pytest.raises(ShapeError, match=f"rga_c got {ratio}=0, expected at least 1"):
            RGAC(8, 5, 7, **{ratio: 0})
    with pytest.raises(ShapeError, match="rga_c got a 5×8 map of 40 positions, expected 35"):
        RGAC(8, 5, 7)(torch.ones(1, 8, 5, 8))
