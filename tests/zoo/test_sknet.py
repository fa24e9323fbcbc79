import pytest
import torch

from visattn.core.errors import ConfigError
from visattn.layers.conv.sk import SK
from visattn.zoo.sknet import sknet


def test_units_are_twice_as_wide_as_those_of_resnet():
    with torch.device("meta"):
        net = sknet(50)
    widths = [m.norms[0].num_features for m in net.modules() if isinstance(m, SK)]
    assert widths == [128] * 3 + [256] * 4 + [512] * 6 + [1024] * 3
    assert net.layer2[0].middle.convs[0].stride == (2, 2)


def test_it_runs():
    assert sknet(50, num_classes=5).eval()(torch.rand(1, 3, 64, 64)).shape == (1, 5)


def test_other_depths_are_refused():
    with pytest.raises(ConfigError, match="depth='34'"):
        sknet(34)
