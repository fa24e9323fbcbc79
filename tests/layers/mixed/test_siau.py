import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.mixed.siau import SIAU


def randomised(channels: int = 6, **options: object) -> SIAU:
    module = SIAU(channels, **options).eval().double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=0.5)
    return module


def test_every_position_gets_the_same_vector() -> None:
    module, x = randomised(), torch.randn(2, 6, 5, 7, dtype=torch.float64)
    added = module(x) - x
    torch.testing.assert_close(added, added[:, :, :1, :1].expand_as(x))
    assert added.abs().min() > 0


def test_the_vector_does_not_know_positions() -> None:
    module, x = randomised(), torch.randn(2, 6, 5, 7, dtype=torch.float64)
    order = torch.randperm(35)
    shuffled = x.flatten(2)[:, :, order].reshape(x.shape)
    torch.testing.assert_close(module(shuffled).flatten(2), module(x).flatten(2)[:, :, order])


def test_parts_have_maps_between_zero_and_one() -> None:
    module, x = randomised(parts=3), torch.randn(2, 6, 5, 7, dtype=torch.float64)
    y, maps = module.with_parts(x)
    assert torch.equal(y, module(x))
    assert maps.shape == (2, 3, 5, 7)
    assert 0 < maps.min() < maps.max() < 1


def test_starts_as_the_identity_in_training_too() -> None:
    x = torch.randn(2, 6, 5, 7)
    assert torch.equal(SIAU(6).train()(x), x)


def test_errors() -> None:
    with pytest.raises(ShapeError, match="siau got parts=1, expected at least 2"):
        SIAU(8, parts=1)
    with pytest.raises(ShapeError, match="siau got an input of 5 dimensions, expected 4: stiau is for clips"):
        SIAU(8)(torch.ones(2, 8, 3, 5, 7))
