import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from visattn.core.errors import ShapeError
from visattn.layers.mixed.iau import IAU, cost
from visattn.layers.mixed.stiau import STIAU


def randomised(channels: int = 6) -> IAU:
    module = IAU(channels).eval().double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=0.5)
    return module


@pytest.mark.parametrize(("channels", "params"), [(512, 793_103), (1024, 3_159_055)])
def test_published_parameters(channels: int, params: int) -> None:
    assert cost(channels, 1, 1).params == params


@pytest.mark.parametrize("shape", [(2, 6, 5, 7), (2, 6, 3, 5, 7)])
def test_is_ciau_and_then_stiau(shape: tuple[int, ...]) -> None:
    module, parts = randomised(), STIAU(6).eval().double()
    parts.interaction.load_state_dict(module.spatial.state_dict())
    x = torch.randn(shape, dtype=torch.float64)
    torch.testing.assert_close(module(x), parts(module.channel(x)))
    assert not torch.allclose(module(x), module.channel(parts(x)))


def test_maps_are_of_what_the_channels_made() -> None:
    module, x = randomised(), torch.randn(2, 6, 5, 7, dtype=torch.float64)
    y, maps = module.with_parts(x)
    assert torch.equal(y, module(x))
    z = module.channel(x)
    torch.testing.assert_close(maps, module.spatial.parts_norm(module.spatial.parts(z)).sigmoid())


def test_starts_as_the_identity_in_training_too() -> None:
    for shape in [(2, 6, 5, 7), (2, 6, 3, 5, 7)]:
        x = torch.randn(shape)
        assert torch.equal(IAU(6).train()(x), x)


def test_cost_of_a_clip() -> None:
    module = IAU(6, parts=3).eval()
    with FlopCounterMode(display=False) as counter:
        module(torch.randn(1, 6, 4, 5, 7))
    assert counter.get_total_flops() == 2 * cost(6, 5, 7, parts=3, frames=4).macs


def test_errors() -> None:
    with pytest.raises(ShapeError, match="iau got channels=0, expected at least 1"):
        IAU(0)
    with pytest.raises(ShapeError, match="iau got parts=1, expected at least 2"):
        IAU(8, parts=1)
