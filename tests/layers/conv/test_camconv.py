import pytest
import torch
from torch import nn

from visattn.core.errors import ShapeError
from visattn.layers.channel.cbam_channel import CBAMChannel
from visattn.layers.conv.camconv import CAMConv, cost, from_conv


def test_is_the_channel_gate_and_a_convolution(randomise, image) -> None:
    module, x = randomise(CAMConv(20, 6, 3, 2)).eval(), image(20)
    gate = CBAMChannel(20, variant="paper").double()
    gate.load_state_dict(module.gate.state_dict())
    torch.testing.assert_close(module(x), module.conv(gate(x)), rtol=0, atol=1e-12)


def test_one_pixel_by_hand() -> None:
    module = CAMConv(1, 1, 1, bias=False)
    with torch.no_grad():
        for weight in (module.gate.reduce.weight, module.gate.expand.weight, module.conv.weight):
            weight.fill_(3)
    # mean and maximum are both 2: a logit of 2 · 3 · 3 · 2 = 36
    assert module(torch.full((1, 1, 1, 1), 2.0)).item() == pytest.approx(3 * 2 / (1 + 2.718281828**-36))


def test_published_resnet18(resnet18) -> None:
    assert resnet18(cost).params == 11_746_216


def test_behind_a_norm_no_convolution_can_be_kept(randomise) -> None:
    module = CAMConv(4, 6, norm_act=True)
    before = module.conv.weight.clone()
    from_conv(module, nn.Conv2d(4, 6, 3))
    assert torch.equal(module.conv.weight, before)


def test_reduction() -> None:
    assert CAMConv(64, 6, reduction=4).gate.reduce.out_features == 16
    assert CAMConv(3, 6).gate.reduce.out_features == 1
    with pytest.raises(ShapeError, match="^camconv got reduction=0, expected at least 1$"):
        CAMConv(4, 4, reduction=0)
