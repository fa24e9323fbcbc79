import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.gaze.racnn import RACNN, rank_loss


def small(**options: object) -> RACNN:
    return RACNN(4, height=6, width=8, hidden=16, **({"size": 5} | options))


def test_parameters_of_the_proposal_on_vgg_features() -> None:
    with torch.device("meta"):
        second, first = RACNN(512, height=14, width=14), RACNN(512, height=28, width=28, pool=True)
    assert sum(p.numel() for p in second.parameters()) == 102_764_547
    assert sum(p.numel() for p in first.parameters()) == 102_764_547


def test_a_proposal_of_one_half_is_the_middle_half_of_the_image() -> None:
    module = small()
    torch.nn.init.zeros_(module.propose[2].weight)
    torch.nn.init.zeros_(module.propose[2].bias)
    assert module.region(torch.randn(2, 4, 6, 8), 60, 80).tolist() == [[40, 30, 15]] * 2


def test_the_crop_is_that_of_the_square() -> None:
    module, features, image = small(), torch.randn(2, 4, 6, 8), torch.randn(2, 3, 48, 64)
    crop, region = module(features, image)
    assert crop.shape == (2, 3, 5, 5)
    assert torch.equal(region, module.region(features, 48, 64))
    assert torch.equal(crop, module.crop(image, region))


@pytest.mark.parametrize("bias", [-50.0, 50.0])
def test_a_square_stays_inside_and_is_not_too_small(bias: float) -> None:
    module = small(minimum=0.5)
    torch.nn.init.constant_(module.propose[2].bias, bias)
    x, y, half = module.region(torch.randn(2, 4, 6, 8), 40, 60).unbind(dim=1)
    assert (half >= 0.25 * 40).all() and (x - half >= 0).all() and (y - half >= 0).all()
    assert (x + half <= 59).all() and (y + half <= 39).all()


def test_the_loss_of_a_crop_reaches_the_proposal() -> None:
    module = small()
    module(torch.randn(2, 4, 6, 8), torch.rand(2, 3, 48, 64))[0].square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in module.parameters())


def test_rank_loss_by_hand() -> None:
    probabilities = torch.tensor([[0.5, 0.6, 0.4], [0.1, 0.12, 0.3]])
    torch.testing.assert_close(rank_loss(probabilities), torch.tensor((0.25 + 0.03) / 2))


def test_errors() -> None:
    with pytest.raises(ShapeError, match="racnn got hidden=0, expected at least 1"):
        RACNN(4, height=6, width=8, hidden=0)
    with pytest.raises(ConfigError, match="racnn got minimum=2, expected 0 to 1: pass a part of the image"):
        small(minimum=2)
    with pytest.raises(ConfigError, match="racnn got sharpness=0, expected a number above 0: 10 is usual"):
        small(sharpness=0)
    with pytest.raises(ShapeError, match=r"racnn was built for features of 6×8, got \(8, 6\): build it with height"):
        small()(torch.randn(2, 4, 8, 6))
