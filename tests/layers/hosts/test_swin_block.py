import pytest
import torch
from torch import nn

from visattn.layers.hosts.swin_block import SwinBlock


def test_equals_the_formula() -> None:
    block, x = SwinBlock(nn.Conv2d(8, 8, 3, padding=1), 8, mlp_ratio=2.5), torch.randn(2, 8, 5, 7)

    def norm(layer: nn.LayerNorm, x: torch.Tensor) -> torch.Tensor:
        return layer(x.movedim(1, -1)).movedim(-1, 1)

    mixed = x + block.mixer(norm(block.norm1, x))
    hidden = nn.functional.gelu(block.expand(norm(block.norm2, mixed).movedim(1, -1)))
    torch.testing.assert_close(block(x), mixed + block.reduce(hidden).movedim(-1, 1))
    assert hidden.shape[-1] == 20


def test_drop_path_skips_images_in_training_and_keeps_the_mean() -> None:
    block, x = SwinBlock(nn.Identity(), 8, drop_path=0.75), torch.randn(1, 8, 3, 3).expand(4000, -1, -1, -1)
    nn.init.zeros_(block.reduce.weight)
    nn.init.zeros_(block.reduce.bias)
    whole = block.eval()(x[:1]) - x[:1]
    change = block.train()(x) - x
    kept = change.flatten(1).any(1)
    torch.testing.assert_close(change[kept], 4 * whole.expand(int(kept.sum()), -1, -1, -1))
    assert kept.float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_nothing_is_dropped_in_evaluation() -> None:
    block, x = SwinBlock(nn.Identity(), 8, drop_path=0.9).eval(), torch.randn(2, 8, 3, 3)
    assert torch.equal(block(x), block(x))
