import pytest
import torch
from torch import nn

from visattn.core.errors import ShapeError
from visattn.zoo.preactivation_resnet import PreactivationBasicBlock, PreactivationResNet


class Record(nn.Module):
    def forward(self, branch, x):
        self.branch, self.x = branch, x
        return 0 * branch


@pytest.mark.parametrize(("out_channels", "stride"), [(4, 1), (8, 2)])
def test_a_gate_sees_branch_and_input_and_leaves_the_shortcut(out_channels, stride):
    block, x = PreactivationBasicBlock(4, out_channels, stride, gate := Record()).eval(), torch.randn(2, 4, 6, 8)
    y = block(x)
    assert gate.x is x
    assert gate.branch.shape == y.shape
    entry = x.div((1 + 1e-5) ** 0.5).relu()
    expected = x if stride == 1 else nn.functional.conv2d(entry, block.shortcut.weight, stride=2)
    assert torch.allclose(y, expected, atol=1e-6)


def test_without_a_gate_the_branch_is_added():
    block, x = PreactivationBasicBlock(4, 4, 1).eval(), torch.randn(2, 4, 6, 8)
    y = block.conv2(block.bn2(block.conv1(block.bn1(x).relu())).relu())
    assert torch.equal(block(x), x + y)


def test_gates_are_built_for_both_widths():
    widths = []
    PreactivationResNet(gate=lambda *pair: widths.append(pair) or Record())
    assert widths == [(64, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]


def test_sizes_below_one_are_refused():
    with pytest.raises(ShapeError, match="num_classes=0"):
        PreactivationResNet(num_classes=0)
