import pytest
import torch
from torch import nn

from visattn.core.errors import ShapeError
from visattn.layers.conv.caconv import CAConv, cost, from_conv
from visattn.layers.mixed.coordatt import CoordAtt


def test_is_coordinate_attention_and_a_convolution(randomise, image) -> None:
    module, x = randomise(CAConv(20, 6, 3, 2)).eval(), image(20)
    gate = CoordAtt(20).double().eval()
    gate.load_state_dict(module.gate.state_dict())
    torch.testing.assert_close(module(x), module.conv(gate(x)), rtol=0, atol=1e-12)


def test_a_constant_image_has_one_gate_per_channel(randomise) -> None:
    """Row and column means are the same everywhere, and without padding nothing else tells positions apart."""
    module = randomise(CAConv(8, 6, 3, padding=0)).eval()
    y = module(torch.ones(1, 8, 5, 6, dtype=torch.float64))
    torch.testing.assert_close(y, y[..., :1, :1].expand_as(y))


def test_published_resnet18(resnet18) -> None:
    assert resnet18(cost).params == 11_742_208


def test_behind_a_norm_no_convolution_can_be_kept() -> None:
    module = CAConv(4, 6, norm_act=True)
    before = module.conv.weight.clone()
    from_conv(module, nn.Conv2d(4, 6, 3))
    assert torch.equal(module.conv.weight, before)


def test_reduction() -> None:
    assert CAConv(64, 6, reduction=4).gate.reduce.out_channels == 16
    assert CAConv(64, 6).gate.reduce.out_channels == 8
    with pytest.raises(ShapeError, match="^caconv got reduction=0, expected at least 1$"):
        CAConv(4, 4, reduction=0)
