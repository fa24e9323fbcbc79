import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.zoo.shufflenet_v2 import ShuffleNetV2


def recorded(asked):
    def unit(*shape):
        asked.append(shape)
        return nn.Conv2d(*shape[:2], 1, shape[2])

    return unit


def test_units_of_the_three_stages():
    asked = []
    ShuffleNetV2(recorded(asked), width="0.5")
    stages = ((24, 48, 4), (48, 96, 8), (96, 192, 4))
    assert asked == [shape for i, o, n in stages for shape in [(i, o, 2), *[(o, o, 1)] * (n - 1)]]


def test_images_become_32_times_smaller():
    net, sizes = ShuffleNetV2(recorded([]), width="1.0", num_classes=3).eval(), []
    net.last.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape))
    assert net(torch.rand(2, 3, 96, 64)).shape == (2, 3)
    assert sizes == [(2, 1024, 3, 2)]


def test_mistakes_are_refused():
    with pytest.raises(ConfigError, match="width='2.0'"):
        ShuffleNetV2(recorded([]), width="2.0")
    with pytest.raises(ShapeError, match="num_classes=0"):
        ShuffleNetV2(recorded([]), num_classes=0)
