import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.channel.rga_c import RGAC
from visattn.layers.spatial.rga_s import RGAS, cost
from visattn.plug import plug_


@pytest.mark.parametrize(
    ("channels", "height", "width", "params"),
    [(256, 64, 32, 1_082_178), (512, 32, 16, 164_898), (1024, 16, 8, 398_154), (2048, 16, 8, 1_578_570)],
)
def test_parameters_after_each_stage_for_256_by_128(channels: int, height: int, width: int, params: int) -> None:
    assert cost(channels, height, width).params == params


def test_parameters_of_all_four_modules() -> None:
    stages = [(256, 64, 32), (512, 32, 16), (1024, 16, 8), (2048, 16, 8)]
    assert sum(cost(*stage).params for stage in stages) == 3_223_800


def test_one_gate_per_position() -> None:
    module, x = RGAS(8, 5, 7).double(), torch.randn(2, 8, 5, 7, dtype=torch.float64)
    gate = module(x) / x
    torch.testing.assert_close(gate, gate[:, :1].expand_as(gate))
    assert gate.std() > 0


def test_is_rga_c_of_the_transpose() -> None:
    """Positions become channels and channels positions."""
    rows = RGAS(8, 5, 7, channel_ratio=2, spatial_ratio=5, down_ratio=2)
    columns = RGAC(35, 8, 1, channel_ratio=5, spatial_ratio=2, down_ratio=2)
    columns.load_state_dict(rows.state_dict())
    x = torch.randn(2, 8, 5, 7)
    expected = columns(x.flatten(2).transpose(1, 2)[..., None])
    torch.testing.assert_close(rows(x).flatten(2), expected[..., 0].transpose(1, 2))


def test_only_the_number_of_positions_counts() -> None:
    module, x = RGAS(8, 4, 6).eval(), torch.randn(2, 8, 4, 6)
    torch.testing.assert_close(module(x.reshape(2, 8, 3, 8)), module(x).reshape(2, 8, 3, 8))


def test_a_plug_builds_it_for_the_size_of_each_site() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, stride=2, padding=1))
    x = torch.randn(2, 3, 6, 8)
    plain = network(x)
    plug_(network, "rga_s", where="*", example=x)
    assert [m.positions for m in network.modules() if isinstance(m, RGAS)] == [48, 12]
    assert torch.equal(network(x), plain)
    with pytest.raises(ShapeError, match="rga_s got a 8×8 map of 64 positions, expected 48"):
        network(torch.randn(2, 3, 8, 8))


def test_a_plug_gives_the_size_itself() -> None:
    with pytest.raises(ConfigError, match="height of rga_s is given by each site: leave it out"):
        plug_(nn.Sequential(nn.Conv2d(3, 8, 1)), "rga_s", where="0", example=torch.ones(2, 3, 4, 4), height=4)


def test_errors() -> None:
    with pytest.raises(ShapeError, match="rga_s got channels=0, expected at least 1"):
        RGAS(0, 5, 7)
    with pytest.raises(ShapeError, match="rga_s got height=0, expected at least 1"):
        RGAS(8, 0, 7)
    with pytest.raises(ShapeError, match="rga_s got width=0, expected at least 1"):
        RGAS(8, 5, 0)
    for ratio in ("channel_ratio", "spatial_ratio", "down_ratio"):
        with pytest.raises(ShapeError, match=f"rga_s got {ratio}=0, expected at least 1"):
            RGAS(8, 5, 7, **{ratio: 0})
    with pytest.raises(ShapeError, match="rga_s got a 5×8 map of 40 positions, expected 35"):
        RGAS(8, 5, 7)(torch.ones(1, 8, 5, 8))
