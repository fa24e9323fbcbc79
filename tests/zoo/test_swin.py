import pytest
import torch
from torch import nn
from torchvision.models.swin_transformer import ShiftedWindowAttention, swin_t

from visattn.core.errors import ShapeError
from visattn.zoo.swin import PatchMerging, Swin


class WindowAttention(nn.Module):
    def __init__(self, channels, heads, shift):
        super().__init__()
        self.attention = ShiftedWindowAttention(channels, [7, 7], [shift, shift], heads)

    def forward(self, x):
        return self.attention(x.movedim(1, 3)).movedim(3, 1)


def load(target, source):
    target.load_state_dict(source.state_dict())


def test_with_plain_windows_it_computes_what_torchvision_computes():
    ours, theirs = Swin(WindowAttention, (2, 2, 6, 2), num_classes=7).eval(), swin_t(num_classes=7).eval()
    load(ours.embed, theirs.features[0][0])
    load(ours.embed_norm, theirs.features[0][2])
    load(ours.norm, theirs.norm)
    load(ours.fc, theirs.head)
    blocks = [b for stage in theirs.features[1:] for b in (stage if isinstance(stage, nn.Sequential) else [stage])]
    for mine, other in zip(ours.stages, blocks, strict=True):
        if isinstance(mine, PatchMerging):
            load(mine.norm, other.norm)
            load(mine.reduce, other.reduction)
        else:
            pairs = (mine.norm1, other.norm1), (mine.mixer.attention, other.attn), (mine.norm2, other.norm2)
            for a, b in (*pairs, (mine.expand, other.mlp[0]), (mine.reduce, other.mlp[3])):
                load(a, b)
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.allclose(ours(image), theirs(image), rtol=1e-4, atol=1e-5)


def test_deeper_blocks_are_dropped_more_often():
    net = Swin(lambda *_: nn.Identity(), (1, 1, 2, 1), channels=32, drop_path=0.2)
    rates = [m.drop_path for m in net.stages if not isinstance(m, PatchMerging)]
    assert rates == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_other_image_sizes_are_refused():
    net = Swin(lambda *_: nn.Identity(), (1, 1, 1, 1), channels=32)
    with pytest.raises(ShapeError, match="48×64, expected multiples of 32"):
        net(torch.zeros(1, 3, 48, 64))
    with pytest.raises(ShapeError, match="num_classes=0"):
        Swin(lambda *_: nn.Identity(), (1, 1, 1, 1), num_classes=0)
