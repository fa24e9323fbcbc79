import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.costs import count_macs, count_params
from visattn.zoo import SmallResNet


@pytest.mark.parametrize(("depth", "million"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85)])
def test_parameters_are_those_of_the_paper(depth, million):
    """He et al., table 6; the projections of our shortcuts (option B) add less than 0.01 M."""
    assert count_params(SmallResNet(depth)) / 1e6 == pytest.approx(million, abs=0.01)


def test_macs_of_resnet20_are_about_41_million():
    assert count_macs(SmallResNet(20), torch.zeros(1, 3, 32, 32)).total == pytest.approx(41e6, rel=0.02)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_any_image_size_and_stem(stride):
    net = SmallResNet(8, in_channels=1, num_classes=7, stem_stride=stride)
    assert net(torch.zeros(2, 1, 17, 23)).shape == (2, 7)


def test_sizes_below_one_are_refused():
    with pytest.raises(ShapeError, match="num_classes=0"):
        SmallResNet(8, num_classes=0)
