import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.rfcbamconv import RFCBAMConv, cost


@pytest.mark.parametrize("norm_act", [False, True])
def test_equals_a_product_per_tap(norm_act: bool, randomise, image) -> None:
    """Without the k times larger map: the same weights as a 1×1 convolution over k²·C channels."""
    module, x = randomise(RFCBAMConv(4, 6, 3, 2, norm_act=norm_act)).eval(), image(4)
    features = module.field.norm(module.field.features(x)).relu()
    taps = features.reshape(2, 4, 9, *features.shape[2:])
    channel = torch.sigmoid(module.reduce(x.mean((2, 3))).relu() @ module.expand.weight.T)
    descriptor = torch.stack((taps.amax(1), taps.mean(1)), 1)
    large = torch.cat([nn.functional.pixel_shuffle(d, 3) for d in descriptor.unbind(1)], 1)
    spatial = nn.functional.conv2d(large, module.spatial.conv.weight, padding=1).sigmoid()
    gated = taps * channel[:, :, None, None, None] * nn.functional.pixel_unshuffle(spatial, 3)[:, None]
    expected = torch.einsum("ocp,bcphw->bohw", module.project.weight.flatten(2), gated)
    expected = expected + module.project.bias[:, None, None]
    if norm_act:
        expected = module.norm(expected).relu()
    torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-12)


def test_without_gate_weights_the_features_are_quartered(randomise, image) -> None:
    module, x = randomise(RFCBAMConv(4, 6)).eval(), image(4)
    nn.init.zeros_(module.expand.weight)
    nn.init.zeros_(module.spatial.conv.weight)
    torch.testing.assert_close(module(x), module.project(module.field(x) / 4))


def test_published_resnet18(resnet18) -> None:
    whole = resnet18(cost)
    assert whole.params == 11_884_408
    assert round(whole.macs / 1e9, 4) == 1.8693


@pytest.mark.parametrize(("channels", "out"), [(64, 64), (64, 128), (3, 17)])
def test_published_extra_parameters(channels: int, out: int) -> None:
    extra = cost(channels, out, 7, 7).params - 9 * channels * out
    assert extra == (81 + 18 + 32) * channels + 18 + out


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ShapeError, "^rfcbamconv got in_channels=0, expected at least 1$"),
        ({"out_channels": 0}, ShapeError, "^rfcbamconv got out_channels=0, expected at least 1$"),
        ({"hidden": 0}, ShapeError, "^rfcbamconv got hidden=0, expected at least 1$"),
        ({"kernel_size": (3, 5)}, ShapeError, r"^rfcbamconv got kernel_size=\(3, 5\), expected equal numbers"),
        ({"groups": 2}, ConfigError, "^rfcbamconv got groups=2, expected 1"),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RFCBAMConv(**{"in_channels": 4, "out_channels": 4, **arguments})
