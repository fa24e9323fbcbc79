"""The plain networks that the others are compared with."""

from functools import partial

from visattn.zoo.entry import Network
from visattn.zoo.resnet import resnet

_TORCHVISION = "pytorch/vision:torchvision/models/resnet.py"
_V15 = "stride 2 in the 3×3 convolution (v1.5); convolutions and classifier at 224×224"

NETWORKS = (
    Network(
        id="resnet18",
        summary="ResNet-18 of basic blocks.",
        source=_TORCHVISION,
        build=partial(resnet, 18),
        params=11_689_512,
        macs=1_814_073_344,
        convention="convolutions and classifier at 224×224",
    ),
    Network(
        id="resnet34",
        summary="ResNet-34 of basic blocks.",
        source=_TORCHVISION,
        build=partial(resnet, 34),
        params=21_797_672,
        macs=3_663_761_408,
        convention="convolutions and classifier at 224×224",
    ),
    Network(
        id="resnet50",
        summary="ResNet-50 of bottlenecks that stride in their 3×3 convolution.",
        source=_TORCHVISION,
        build=partial(resnet, 50),
        params=25_557_032,
        macs=4_089_184_256,
        convention=_V15,
    ),
    Network(
        id="resnet50_v1",
        summary="ResNet-50 of bottlenecks that stride in their first 1×1 convolution, as first published.",
        source="hujie-frank/GENet:models/RN50-GEPF.prototxt",
        build=partial(resnet, 50, form="v1"),
        params=25_557_032,
        macs=3_857_973_248,
        convention="stride 2 in the first 1×1 convolution (v1); convolutions and classifier at 224×224",
    ),
    Network(
        id="resnet101",
        summary="ResNet-101 of bottlenecks that stride in their 3×3 convolution.",
        source=_TORCHVISION,
        build=partial(resnet, 101),
        params=44_549_160,
        macs=7_801_405_440,
        convention=_V15,
    ),
)
