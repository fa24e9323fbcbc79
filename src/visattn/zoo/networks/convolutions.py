"""Networks in which a mechanism stands in for convolutions, or for the attention of a transformer."""

from functools import partial
from typing import Any

from torch import nn

from visattn.catalogue import create
from visattn.layers.hosts.shuffle_unit import ShuffleUnit
from visattn.plug.sites import Site
from visattn.zoo.entry import Network
from visattn.zoo.insertion import with_mechanism
from visattn.zoo.resnet import resnet
from visattn.zoo.shufflenet_v2 import ShuffleNetV2
from visattn.zoo.sknet import sknet
from visattn.zoo.swin import Swin

_RFA = "Liuchen1997/RFAConv:classification"


def _rfa(id: str, depth: int, params: int, file: str, *, macs: int | None = None, convention: str = "") -> Network:
    name = id.partition("_")[0]

    def convolution(site: Site, **options: Any) -> nn.Module:
        # published with a bias, which the replaced convolution does not have
        return create(name, **{**(site.conv or {}), "bias": True, **options})

    return Network(
        id=id,
        summary=f"ResNet-{depth} with {name} in the place of the first convolution of every block.",
        source=f"{_RFA}/{file}",
        build=with_mechanism(partial(resnet, depth), convolution, role="conv"),
        params=params,
        macs=macs,
        convention=convention,
    )


def _sknet(depth: int, params: int, source: str, *, macs: int | None = None, convention: str = "") -> Network:
    return Network(
        id=f"sknet{depth}",
        summary=f"ResNeXt-{depth} 32×4d with selective kernel convolutions in the place of its grouped ones.",
        source=source,
        build=partial(sknet, depth),
        params=params,
        macs=macs,
        convention=convention,
    )


def _drconv(width: str, params: int, *, macs: int, counted: int) -> Network:
    def build(*, num_classes: int = 1000, regions: int = 8, num_kernels: int = 8) -> nn.Module:
        def unit(in_channels: int, out_channels: int, stride: int) -> nn.Module:
            return ShuffleUnit(in_channels, out_channels, stride=stride, regions=regions, num_kernels=num_kernels)

        return ShuffleNetV2(unit, width=width, num_classes=num_classes)

    return Network(
        id=f"drconv_shufflenetv2_x{width.replace('.', '_')}",
        summary=f"ShuffleNetV2 {width}× with region-aware 1×1 convolutions that share one guide in every unit.",
        source="megvii-research/DRConv:ShuffleNetV2_pytorch.py",
        build=build,
        params=params,
        macs=macs,
        convention="8 regions and 8 kernels; filters are mixed first, then each pixel is convolved with one of them",
        counted=counted,
        why_counted="Here every kernel of the bank responds everywhere and the responses are mixed, which has the same "
        "result and 8 times the products of each region-aware convolution.",
    )


def _acmix(depth: int, params: int, *, macs: int, counted: int) -> Network:
    return Network(
        id=f"acmix_resnet{depth}",
        summary=f"ResNet-{depth} with ACmix in the place of every 3×3 convolution of its bottlenecks.",
        source="LeapLabTHU/ACmix:ResNet/test_bottleneck.py",
        build=with_mechanism(partial(resnet, depth), "acmix"),
        params=params,
        macs=macs,
        convention="counted from the released code, 49 products per query; their README has more",
        counted=counted,
        why_counted="Here tiles of 4×4 queries share their keys, which is faster with more products; with the option "
        "tile=1 the count is the published one.",
    )


def _acmix_swin(id: str, depths: tuple[int, int, int, int], params: int, *, drop_path: float) -> Network:
    def build(*, num_classes: int = 1000, **options: Any) -> nn.Module:
        def mixer(channels: int, heads: int, shift: int) -> nn.Module:
            return create("acmix_swin", channels, **{"heads": heads, "shift": shift, **options})

        return Swin(mixer, depths, num_classes=num_classes, drop_path=drop_path)

    return Network(
        id=id,
        summary=f"Swin transformer of {sum(depths)} blocks with ACmix in the place of its window attention.",
        source="LeapLabTHU/ACmix:Swin-Transformer/models/swin_transformer_acmix.py",
        build=build,
        params=params,
        convention="counted from the released code; their README has more",
    )


NETWORKS = (
    _sknet(50, 27_479_784, "implus/SKNet:models/sknet50.prototxt", macs=4_462_710_784),
    _sknet(
        101,
        48_736_040,
        "osmr/imgclsmob:gluon/gluoncv2/models/sknet.py",
        convention="hidden layers by the paper's rule, max(C / 16, 32); the released file breaks it in its stage 2",
    ),
    _rfa(
        "rfaconv_resnet18",
        18,
        11_850_408,
        "RFAresnet.py",
        macs=1_873_900_000,
        convention="convolutions and classifier; the authors' log counts normalisation and pooling too, 1.908 G",
    ),
    _rfa("rfaconv_resnet34", 34, 22_160_872, "RFAresnet.py", macs=3_780_000_000),
    _rfa("rfcbamconv_resnet18", 18, 11_884_408, "RFCBAMresnet.py", macs=1_869_300_000),
    _rfa("rfcaconv_resnet18", 18, 11_887_936, "RFCAresnet.py"),
    _rfa("camconv_resnet18", 18, 11_746_216, "CAMresnet.py"),
    _rfa("cbamconv_resnet18", 18, 11_747_000, "CBAMresnet.py"),
    _rfa("caconv_resnet18", 18, 11_742_208, "CAresnet.py"),
    _drconv("0.5", 2_293_792, macs=50_100_000, counted=173_161_440),
    _drconv("1.0", 7_273_976, macs=193_500_000, counted=875_694_872),
    _acmix(26, 10_487_816, macs=2_217_000_000, counted=2_321_728_512),
    _acmix(38, 14_410_896, macs=2_859_000_000, counted=3_007_613_696),
    _acmix(50, 18_333_976, macs=3_502_000_000, counted=3_693_498_880),
    _acmix_swin("acmix_swin_tiny", (2, 2, 6, 2), 28_649_908, drop_path=0.2),
    _acmix_swin("acmix_swin_small", (2, 2, 18, 2), 50_345_080, drop_path=0.3),
)
