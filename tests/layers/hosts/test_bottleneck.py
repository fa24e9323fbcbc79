import torch
from torch import nn

from visattn.layers.hosts.bottleneck import Bottleneck


def test_equals_the_formula() -> None:
    block = Bottleneck(nn.Conv2d(4, 4, 3, 2, 1), 8, 4, 16, stride=2, project=True)
    x = torch.randn(2, 8, 7, 9)
    inner = block.middle(block.norm1(block.conv1(x)).relu())
    expected = (block.norm3(block.conv3(inner)) + block.shortcut[1](block.shortcut[0](x))).relu()
    assert torch.equal(block(x), expected)
    assert block.conv1.bias is None and block.conv3.bias is None


def test_without_a_residual_the_input_passes_through() -> None:
    block, x = Bottleneck(nn.Identity(), 8, 4, 8), torch.randn(2, 8, 7, 9)
    nn.init.zeros_(block.norm3.weight)
    assert torch.equal(block(x), x.relu())
