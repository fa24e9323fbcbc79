import pytest
import torch

from visattn.layers.conv.geometry import Geometry
from visattn.layers.conv.receptive_field import ReceptiveField


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 2), (2, 2)])
def test_the_square_of_a_pixel_holds_its_features(size: int, stride: int, randomise, image) -> None:
    geometry = Geometry(kernel_size=size, stride=stride, padding=size // 2, dilation=1)
    field, x = randomise(ReceptiveField(3, geometry)).eval(), image(3)
    features = field.norm(field.features(x)).relu()
    laid_out = field(x)
    assert laid_out.shape == (2, 3, size * features.shape[2], size * features.shape[3])
    for tap in range(size**2):
        own = laid_out[..., tap // size :: size, tap % size :: size]
        assert torch.equal(own, features[:, tap :: size**2])
