import pytest
import torch

from visattn import zoo
from visattn.costs import count_macs
from visattn.layers.conv.acmix import ACmix
from visattn.layers.conv.acmix_swin import ACmixSwin
from visattn.layers.conv.region_conv import RegionConv
from visattn.layers.conv.rfaconv import RFAConv
from visattn.layers.conv.sk import SK


def on_meta(id, **options):
    with torch.device("meta"):
        return zoo.create(id, **options), torch.zeros(1, 3, 224, 224)


@pytest.mark.parametrize(("depth", "macs"), [(26, 2.217e9), (38, 2.859e9), (50, 3.502e9)])
def test_acmix_with_a_query_per_tile_counts_as_published(depth, macs):
    assert count_macs(*on_meta(f"acmix_resnet{depth}", tile=1)).total == pytest.approx(macs, abs=0.5e6)


@pytest.mark.parametrize(("width", "macs"), [("0_5", 50.1e6), ("1_0", 193.5e6)])
def test_drconv_with_filters_mixed_first_counts_as_published(width, macs):
    """The released code mixes m filters from the bank per image, then convolves each pixel with one of them."""
    net, image = on_meta(f"drconv_shufflenetv2_x{width}")
    count = count_macs(net, image)
    total = count.total
    for path, conv in net.named_modules():
        if isinstance(conv, RegionConv):
            bank, routing = conv.filters.weight, conv.filters.routing
            kernels, regions = bank.shape[1], routing.out_features // bank.shape[1]
            route = routing.in_features * routing.out_features
            # here each kernel responds at each pixel, and m·N shares are mixed there
            pixels, rest = divmod(count.by_module[path] - route, bank.numel() + regions * kernels)
            assert rest == 0
            total += bank.shape[0] * pixels + regions * bank.numel() + route - count.by_module[path]
    assert total == pytest.approx(macs, abs=0.05e6)


def test_receptive_field_convolutions_are_the_first_of_every_block():
    net, _ = on_meta("rfaconv_resnet18")
    found = {path: m for path, m in net.named_modules() if isinstance(m, RFAConv)}
    assert list(found) == [f"layer{stage}.{block}.conv1" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert all(m.project.bias is not None for m in found.values())


@pytest.mark.parametrize("name", ["rfaconv", "rfcbamconv", "rfcaconv", "camconv", "cbamconv", "caconv"])
def test_small_classifiers_run(name):
    net = zoo.create(f"{name}_resnet18", num_classes=5).eval()
    assert net(torch.rand(1, 3, 64, 64)).shape == (1, 5)


def test_acmix_is_in_the_place_of_every_3x3_convolution():
    net, _ = on_meta("acmix_resnet26")
    found = [path for path, m in net.named_modules() if isinstance(m, ACmix)]
    assert found == [f"layer{s}.{b}.conv2" for s, blocks in ((1, 1), (2, 2), (3, 4), (4, 1)) for b in range(blocks)]


def test_selective_kernels_have_32_groups():
    net, _ = on_meta("sknet50")
    assert {conv.groups for m in net.modules() if isinstance(m, SK) for conv in m.convs} == {32}


def test_every_second_window_of_swin_is_shifted():
    net, _ = on_meta("acmix_swin_tiny")
    mixers = [m for m in net.modules() if isinstance(m, ACmixSwin)]
    assert [m.attention.shift for m in mixers] == [0, 3] * 6
    assert [m.attention.heads for m in mixers] == [3] * 2 + [6] * 2 + [12] * 6 + [24] * 2


def test_options_reach_the_units_of_shufflenet():
    net, _ = on_meta("drconv_shufflenetv2_x0_5", regions=4, num_kernels=2, num_classes=3)
    assert net.stages[0].guide.out_channels == 4
    assert net.fc.out_features == 3
