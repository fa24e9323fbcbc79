"""Networks with gates per channel and position, and with context blocks."""

from functools import partial
from typing import Any

from visattn.zoo.entry import Network
from visattn.zoo.insertion import with_mechanism
from visattn.zoo.mobilenet_v2 import MobileNetV2
from visattn.zoo.residual_attention import ResidualAttentionNetwork
from visattn.zoo.resnet import resnet

_RELEASED = "the authors' code: biases in the channel gate, batch norm in the spatial gate"
_LAST_BLOCKS = ("layer1.2.bn3", "layer2.3.bn3", "layer3.5.bn3", "layer4.2.bn3")


def _cbam(id: str, depth: int, params: int, *, form: str = "v1.5", macs: int | None = None, **options: Any) -> Network:
    kernel = options.get("kernel_size", 7)
    name = f"ResNet-{depth}{' (v1)' if form == 'v1' else ''}"
    return Network(
        id=id,
        summary=f"{name} with CBAM, its spatial gate of kernel size {kernel}, in every block.",
        source="Jongchan/attention-module:MODELS/model_resnet.py",
        build=with_mechanism(partial(resnet, depth, form=form), "cbam", **options),
        params=params,
        macs=macs,
        convention=_RELEASED,
    )


def _bam(depth: int, params: int) -> Network:
    return Network(
        id=f"bam_resnet{depth}",
        summary=f"ResNet-{depth} with one BAM after each of its first three stages.",
        source="Jongchan/attention-module:MODELS/model_resnet.py",
        build=with_mechanism(partial(resnet, depth), "bam", where=("layer1", "layer2", "layer3")),
        params=params,
        convention="the authors' code: batch norm after each hidden layer",
    )


def _gsop(mode: str, params: int) -> Network:
    return Network(
        id=f"gsop_net1_resnet50_{mode}",
        summary=f"ResNet-50 whose last stage keeps the size, with the {mode} gate of second-order pooling in the last "
        "block of every stage.",
        source="ZilinGao/Global-Second-order-Pooling-Convolutional-Networks:torchvision/models/resnet.py",
        build=with_mechanism(partial(resnet, 50, last_stride=1), "gsop", where=_LAST_BLOCKS, mode=mode),
        params=params,
        convention="stride 1 in stage 4",
    )


def _ranet(depth: int, params: int, macs: int) -> Network:
    return Network(
        id=f"resattnet{depth}",
        summary=f"Residual attention network of {depth} layers: attention modules between pre-activation bottlenecks.",
        source=f"fwang91/residual-attention-network:imagenet_model/Attention-{depth}-deploy.prototxt",
        build=partial(ResidualAttentionNetwork, depth),
        params=params,
        macs=macs,
    )


NETWORKS = (
    _ranet(56, 31_810_728, 6_270_836_736),
    _ranet(92, 52_466_344, 10_533_789_696),
    _cbam("cbam_resnet18", 18, 11_779_392),
    _cbam("cbam_resnet34", 34, 21_960_468),
    _cbam("cbam_resnet50", 50, 28_089_624),
    _cbam("cbam_resnet50_v1", 50, 28_089_624, form="v1", macs=3_864_362_102),
    _cbam("cbam_resnet50_k3", 50, 28_088_344, kernel_size=3),
    _cbam("cbam_resnet101", 101, 49_330_172),
    _bam(18, 11_712_503),
    _bam(34, 21_820_663),
    _bam(50, 25_915_099),
    _bam(101, 44_907_227),
    Network(
        id="coordatt_mobilenetv2",
        summary="MobileNetV2 with coordinate attention behind the depth-wise convolution of every block that expands.",
        source="houqb/CoordAttention:mbv2_ca.py",
        build=with_mechanism(MobileNetV2, "coordatt", where=[f"features.{block}.conv.1" for block in range(2, 18)]),
        params=3_950_648,
    ),
    _gsop("channel", 28_285_224),
    _gsop("spatial", 26_182_952),
    Network(
        id="gc_resnet50_r16_c3c5",
        summary="ResNet-50 with global context blocks of ratio 1/16 in every block of stages 2, 3 and 4 (c3 to c5).",
        source="xvjiarui/GCNet:mmdet/ops/gcb/context_block.py",
        build=with_mechanism(partial(resnet, 50), "gc", where="layer[234].*.bn3", ratio=1 / 16),
        params=28_078_773,
        convention="with the classifier of the backbone",
    ),
)
