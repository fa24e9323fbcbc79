import pytest
import torch

from visattn.core.errors import ConfigError
from visattn.layers.mixed.cbam import CBAM, cost

BASIC, BOTTLENECK = (64, 128, 256, 512), (256, 512, 1024, 2048)
SIDES = (56, 28, 14, 7)


def randomised(**options: object) -> CBAM:
    module = CBAM(8, reduction=2, **options).eval()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module


def added(widths: tuple[int, ...], depths: tuple[int, ...], **options: object) -> tuple[int, int]:
    """Return the parameters and MACs that one CBAM per block adds to a ResNet at 224×224."""
    costs = [(n, cost(c, s, s, **options)) for c, n, s in zip(widths, depths, SIDES, strict=True)]
    return sum(n * c.params for n, c in costs), sum(n * c.macs for n, c in costs)


@pytest.mark.parametrize(("channels", "params"), [(256, 8_564), (512, 33_412), (1024, 132_260), (2048, 526_564)])
def test_published_parameters_of_a_block(channels: int, params: int) -> None:
    assert sum(p.numel() for p in CBAM(channels).parameters()) == params


@pytest.mark.parametrize(
    ("widths", "depths", "with_cbam", "plain"),
    [
        (BASIC, (2, 2, 2, 2), 11_779_392, 11_689_512),
        (BASIC, (3, 4, 6, 3), 21_960_468, 21_797_672),
        (BOTTLENECK, (3, 4, 6, 3), 28_089_624, 25_557_032),
        (BOTTLENECK, (3, 4, 23, 3), 49_330_172, 44_549_160),
    ],
)
def test_published_parameters_of_resnets(
    widths: tuple[int, ...], depths: tuple[int, ...], with_cbam: int, plain: int
) -> None:
    assert added(widths, depths)[0] == with_cbam - plain


@pytest.mark.parametrize(
    ("options", "params"),
    [
        ({"kernel_size": 3}, 28_088_344),
        ({"kernel_size": 3, "descriptor": "conv"}, 28_103_304),
        ({"kernel_size": 7, "descriptor": "conv"}, 28_103_944),
    ],
)
def test_published_parameters_of_the_ablations(options: dict[str, object], params: int) -> None:
    assert added(BOTTLENECK, (3, 4, 6, 3), **options)[0] == params - 25_557_032


def test_published_macs_of_resnet50() -> None:
    assert added(BOTTLENECK, (3, 4, 6, 3))[1] == 3_864_362_102 - 3_857_973_248


def test_the_spatial_gate_sees_the_result_of_the_channel_gate() -> None:
    cbam, x = randomised(), torch.randn(2, 8, 5, 7)
    torch.testing.assert_close(cbam(x), cbam.spatial(cbam.channel(x)))


def test_orders() -> None:
    x = torch.randn(2, 8, 5, 7)
    spatial_first, parallel = randomised(order="spatial_first"), randomised(order="parallel")
    torch.testing.assert_close(spatial_first(x), spatial_first.channel(spatial_first.spatial(x)))
    torch.testing.assert_close(parallel(x), x * parallel.channel.gate(x) * parallel.spatial.gate(x))


def test_orders_have_one_state_and_differ() -> None:
    x = torch.randn(2, 8, 5, 7)
    first = randomised()
    outputs = []
    for order in ("channel_first", "spatial_first", "parallel"):
        module = CBAM(8, reduction=2, order=order).eval()
        module.load_state_dict(first.state_dict())
        outputs.append(module(x))
    assert not any(torch.allclose(outputs[i], outputs[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_without_the_spatial_gate_it_is_the_channel_gate() -> None:
    cbam, x = randomised(spatial=False), torch.randn(2, 8, 5, 7)
    assert not [k for k in cbam.state_dict() if not k.startswith("channel.")]
    torch.testing.assert_close(cbam(x), cbam.channel(x))


def test_the_published_initialisation_halves_the_channel_gate() -> None:
    cbam, x = CBAM(16), torch.randn(2, 16, 5, 7)
    torch.testing.assert_close(cbam(x), cbam.channel(x) / 2)


def test_paper_variant_has_neither_biases_nor_batch_norm() -> None:
    assert list(CBAM(16, variant="paper").state_dict()) == [
        "channel.reduce.weight",
        "channel.expand.weight",
        "spatial.conv.weight",
    ]


def test_errors() -> None:
    with pytest.raises(ConfigError, match="cbam got order='serial', expected one of 'channel_first', 'spatial_first'"):
        CBAM(8, order="serial")
