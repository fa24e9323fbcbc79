import pytest
import torch
from torch import nn

from visattn.core.errors import ShapeError
from visattn.layers.conv.cbamconv import CBAMConv, cost, from_conv
from visattn.layers.mixed.cbam import CBAM


def test_is_cbam_and_a_convolution(randomise, image) -> None:
    module, x = randomise(CBAMConv(20, 6, 3, 2, spatial_kernel=5)).eval(), image(20)
    gate = CBAM(20, kernel_size=5, variant="paper").double()
    gate.load_state_dict(module.gate.state_dict())
    torch.testing.assert_close(module(x), module.conv(gate(x)), rtol=0, atol=1e-12)


def test_without_spatial_weights_the_channel_gate_is_halved(randomise, image) -> None:
    module, x = randomise(CBAMConv(20, 6)).eval(), image(20)
    nn.init.zeros_(module.gate.spatial.conv.weight)
    torch.testing.assert_close(module(x), module.conv(x * module.gate.channel.gate(x) / 2))


def test_published_resnet18(resnet18) -> None:
    assert resnet18(cost).params == 11_747_000


def test_behind_a_norm_no_convolution_can_be_kept() -> None:
    module = CBAMConv(4, 6, norm_act=True)
    before = module.conv.weight.clone()
    from_conv(module, nn.Conv2d(4, 6, 3))
    assert torch.equal(module.conv.weight, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduction": 0}, "^cbamconv got reduction=0, expected at least 1$"),
        ({"spatial_kernel": 4}, "^cbamconv got spatial_kernel=4, expected an odd number: use 3 or 5$"),
    ],
)
def test_errors(options: dict[str, int], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        CBAMConv(4, 4, **options)
