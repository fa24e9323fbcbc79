import torch
from torch import nn

from visattn.layers.hosts.wide_block import WideBlock


class Zero(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0 * x


def test_the_gate_scales_the_branch_and_not_the_shortcut() -> None:
    x = torch.randn(2, 4, 5, 7)
    assert torch.equal(WideBlock(Zero(), 4, 4)(x), x)


def test_a_shortcut_of_another_width_starts_behind_norm_and_activation() -> None:
    block, x = WideBlock(Zero(), 4, 6, stride=2).eval(), torch.randn(2, 4, 5, 7)
    torch.testing.assert_close(block(x), block.shortcut(block.norm1(x).relu()))


def test_the_branch() -> None:
    block, x = WideBlock(nn.Identity(), 4, 4).eval(), torch.randn(2, 4, 5, 7)
    inner = block.conv1(block.norm1(x).relu())
    torch.testing.assert_close(block(x), x + block.conv2(block.norm2(inner).relu()))


def test_dropout_is_between_the_convolutions() -> None:
    block, x = WideBlock(nn.Identity(), 4, 4, dropout=1.0), torch.randn(2, 4, 5, 7)
    assert torch.equal(block(x), x)
    assert not torch.equal(block.eval()(x), x)
