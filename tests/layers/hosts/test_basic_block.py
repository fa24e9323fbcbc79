import torch
from torch import nn

from visattn.layers.hosts.basic_block import BasicBlock, projection, rfaconv_block


def test_equals_the_formula() -> None:
    block, x = BasicBlock(nn.Conv2d(4, 8, 3, 2, 1), 4, 8, stride=2, project=True), torch.randn(2, 4, 7, 9)
    inner = block.norm1(block.conv1(x)).relu()
    expected = (block.norm2(block.conv2(inner)) + block.shortcut[1](block.shortcut[0](x))).relu()
    assert torch.equal(block(x), expected)
    assert block.conv2.bias is None and block.shortcut[0].bias is None


def test_without_a_residual_the_input_passes_through() -> None:
    block, x = BasicBlock(nn.Conv2d(4, 4, 3, padding=1), 4, 4), torch.randn(2, 4, 7, 9)
    nn.init.zeros_(block.norm2.weight)
    assert torch.equal(block(x), x.relu())


def test_projection() -> None:
    assert projection(4, 8, 2)(torch.randn(2, 4, 7, 9)).shape == (2, 8, 4, 5)


def test_the_entry_of_a_published_block() -> None:
    entry = rfaconv_block("RFAresnet.py", nn.Conv2d, {"conv.": "project."})
    assert entry.source == "Liuchen1997/RFAConv:classification/RFAresnet.py:BasicBlock"
    assert entry.keys["conv1.conv."] == "conv1.project." and entry.keys["downsample."] == "shortcut."
    plain, strided = entry.build(4, 4), entry.build(4, 8, 2, object())
    assert plain.shortcut is None and plain.conv1.stride == (1, 1)
    assert strided.shortcut[0].stride == strided.conv1.stride == (2, 2)
