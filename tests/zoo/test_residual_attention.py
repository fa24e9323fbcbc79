import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.mixed.ranet import ResidualAttention
from visattn.zoo.residual_attention import ResidualAttentionNetwork, WideningUnit


@pytest.mark.parametrize(("depth", "modules"), [(56, [3, 2, 1]), (92, [3, 2, 2, 1, 1, 1])])
def test_attention_modules_and_their_depths(depth, modules):
    with torch.device("meta"):
        net = ResidualAttentionNetwork(depth)
    assert [m.depth for m in net.modules() if isinstance(m, ResidualAttention)] == modules


@pytest.mark.parametrize("stride", [1, 2])
def test_the_shortcut_of_a_widening_unit_starts_from_the_activated_input(stride):
    unit, x = WideningUnit(4, 8, stride).eval(), torch.randn(2, 4, 6, 8)
    nn.init.zeros_(unit.branch[-1].weight)
    expected = nn.functional.conv2d(unit.activate[0](x).relu(), unit.shortcut.weight, stride=stride)
    assert torch.allclose(unit(x), expected)


def test_features_of_the_published_size():
    with torch.device("meta"):
        net, sizes = ResidualAttentionNetwork(56, num_classes=5).eval(), []
        for unit in net.stages:
            if isinstance(unit, ResidualAttention):
                unit.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[2]))
        assert net(torch.zeros(1, 3, 224, 224)).shape == (1, 5)
    assert sizes == [56, 28, 14]


def test_mistakes_are_refused():
    with pytest.raises(ConfigError, match="depth='50'"):
        ResidualAttentionNetwork(50)
    with pytest.raises(ShapeError, match="num_classes=0"):
        ResidualAttentionNetwork(num_classes=0)
