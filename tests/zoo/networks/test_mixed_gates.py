import pytest
import torch

from visattn import zoo
from visattn.layers.context.gc import GC
from visattn.layers.mixed.bam import BAM
from visattn.layers.mixed.cbam import CBAM
from visattn.layers.mixed.coordatt import CoordAtt
from visattn.layers.mixed.gsop import GSoP


def places(id, kind):
    with torch.device("meta"):
        return [path for path, m in zoo.create(id).named_modules() if isinstance(m, kind)]


@pytest.mark.parametrize(("depth", "last"), [(18, "bn2"), (34, "bn2"), (50, "bn3"), (101, "bn3")])
def test_cbam_is_on_the_last_norm_of_every_block(depth, last):
    found = places(f"cbam_resnet{depth}", CBAM)
    assert len(found) == {18: 8, 34: 16, 50: 16, 101: 33}[depth]
    assert all(path.endswith(f"{last}.visattn") for path in found)


def test_bam_is_behind_the_first_three_stages():
    assert places("bam_resnet50", BAM) == ["layer1.2.visattn", "layer2.3.visattn", "layer3.5.visattn"]


def test_second_order_pooling_is_in_the_last_block_of_every_stage():
    found = places("gsop_net1_resnet50_channel", GSoP)
    assert found == [f"layer{stage}.{block}.bn3.visattn" for stage, block in ((1, 2), (2, 3), (3, 5), (4, 2))]


def test_context_blocks_leave_the_first_stage_out():
    found = places("gc_resnet50_r16_c3c5", GC)
    assert [sum(path.startswith(f"layer{stage}.") for path in found) for stage in (1, 2, 3, 4)] == [0, 4, 6, 3]


def test_coordinate_attention_sees_what_the_depthwise_convolution_returns():
    """Behind the activation, so that what it scales is between 0 and 6."""
    net = zoo.create("coordatt_mobilenetv2").eval()
    seen = {}
    for path, module in net.named_modules():
        if isinstance(module, CoordAtt):
            module.register_forward_hook(lambda m, inputs, output, path=path: seen.update({path: inputs[0]}))
    with torch.no_grad():
        net(torch.randn(1, 3, 64, 64))
    assert list(seen) == [f"features.{block}.conv.1.2.visattn" for block in range(2, 18)]
    assert [x.shape[1] for x in seen.values()][:3] == [96, 144, 144]
    assert all(x.min() >= 0 and x.max() <= 6 for x in seen.values())


def test_stage_four_keeps_the_size_with_second_order_pooling():
    with torch.device("meta"):
        assert zoo.create("gsop_net1_resnet50_spatial").layer4[0].conv2.stride == (1, 1)
