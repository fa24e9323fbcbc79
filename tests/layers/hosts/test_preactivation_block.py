import torch
from torch import nn

from visattn.layers.hosts.preactivation_block import PreactivationBlock


def test_equals_the_formula() -> None:
    block, x = PreactivationBlock(nn.Conv2d(8, 4, 3, padding=1), 8, 4).eval(), torch.randn(2, 8, 5, 7)
    expected = x + block.conv(block.norm2(block.middle(block.norm1(x).relu())).relu())
    assert torch.equal(block(x), expected)


def test_the_input_passes_through_unchanged_where_the_rest_is_zero() -> None:
    block, x = PreactivationBlock(nn.Conv2d(8, 4, 1), 8, 4), torch.randn(2, 8, 5, 7)
    nn.init.zeros_(block.conv.weight)
    nn.init.zeros_(block.conv.bias)
    assert torch.equal(block(x), x)
