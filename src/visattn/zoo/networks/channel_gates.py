"""Residual networks with a gate per channel at the end of every residual branch."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from visattn.catalogue import create
from visattn.plug.sites import Site
from visattn.zoo.entry import Network
from visattn.zoo.insertion import with_mechanism
from visattn.zoo.preactivation_resnet import PreactivationResNet
from visattn.zoo.resnet import resnet

_R50V1 = partial(resnet, 50, form="v1")
_SENET = "hujie-frank/SENet:models/SE-ResNet-50.prototxt"
_GENET = "hujie-frank/GENet:models"
_ECANET = "BangguWu/ECANet:models/eca_resnet.py"
_FCANET = "cfzd/FcaNet:model/fcanet.py"
_SPANET = "13952522076/SPANet:models"


def _eca(*kernels: int) -> Callable[..., nn.Module]:
    """Return the rule for ECA with one kernel size per stage."""

    def build(site: Site, **options: Any) -> nn.Module:
        stage = int(site.path.removeprefix("layer")[0])
        return create("eca", site.channels, **{"kernel_size": kernels[stage - 1], **options})

    return build


def _fcanet(site: Site, **options: Any) -> nn.Module:
    return create("fcanet", site.channels, **{"size": (site.height, site.width), **options})


def _spa(variant: str) -> Callable[..., nn.Module]:
    """Return the builder for a gate that sees the input of its block."""

    def build(*, num_classes: int = 100, **options: Any) -> nn.Module:
        def gate(in_channels: int, channels: int) -> nn.Module:
            return create("spa", channels, variant=variant, source_channels=in_channels, **options)

        return PreactivationResNet(num_classes=num_classes, gate=gate)

    return build


def _ge(id: str, params: int, file: str, **options: Any) -> Network:
    extent = "the global extent" if options["extent"] is None else f"extent {options['extent']}"
    return Network(
        id=id,
        summary=f"ResNet-50 (v1) with gather-excite {options['variant'].replace('_', '-')} of {extent} in every block.",
        source=f"{_GENET}/{file}" if file else "Hu et al., NeurIPS 2018, arXiv:1810.12348, section 4",
        build=with_mechanism(_R50V1, "ge", **options),
        params=params,
        convention="" if file else "closed form",
    )


NETWORKS = (
    Network(
        id="se_resnet50_v1",
        summary="ResNet-50 (v1) with squeeze-and-excitation in every block.",
        source=_SENET,
        build=with_mechanism(_R50V1, "se"),
        params=28_088_024,
        macs=3_860_488_192,
        convention="biases in both layers of the gate, as in the released network",
    ),
    Network(
        id="se_resnet50_nobias",
        summary="ResNet-50 (v1) with squeeze-and-excitation without biases in every block.",
        source="Hu et al., TPAMI 2020, arXiv:1709.01507, table 10",
        build=with_mechanism(_R50V1, "se", bias=False),
        params=28_071_976,
        convention="no biases in the gate, as in the journal's ablations",
    ),
    Network(
        id="se_resnet101",
        summary="ResNet-101 (v1) with squeeze-and-excitation in every block.",
        source="hujie-frank/SENet:models/SE-ResNet-101.prototxt",
        build=with_mechanism(partial(resnet, 101, form="v1"), "se"),
        params=49_326_872,
        convention="biases in both layers of the gate",
    ),
    _ge("ge_resnet50_theta_minus_global", 25_557_032, "RN50-GEPF.prototxt", variant="theta_minus", extent=None),
    _ge("ge_resnet50_theta_global", 31_106_600, "RN50-GEP.prototxt", variant="theta", extent=None),
    _ge("ge_resnet50_theta_plus_global", 33_637_592, "RN50-GEPP.prototxt", variant="theta_plus", extent=None),
    _ge("ge_resnet50_theta_e2", 25_723_176, "", variant="theta", extent=2),
    _ge("ge_resnet50_theta_e4", 25_889_320, "", variant="theta", extent=4),
    _ge("ge_resnet50_theta_e8", 26_055_464, "", variant="theta", extent=8),
    _ge("ge_resnet50_theta_plus_e8", 28_586_456, "", variant="theta_plus", extent=8),
    Network(
        id="eca_resnet50_k3557",
        summary="ResNet-50 with ECA of kernel sizes 3, 5, 5 and 7 in the blocks of its four stages.",
        source=_ECANET,
        build=with_mechanism(partial(resnet, 50), _eca(3, 5, 5, 7), role="gate"),
        params=25_557_112,
        convention="kernel sizes of the released weights",
    ),
    Network(
        id="eca_resnet50_formula",
        summary="ResNet-50 with ECA in every block, its kernel sizes by the paper's formula.",
        source="Wang et al., CVPR 2020, arXiv:1910.03151, eq. 12",
        build=with_mechanism(partial(resnet, 50), "eca"),
        params=25_557_118,
        convention="kernel sizes 5, 5, 5 and 7, which the formula gives for the gated channels",
    ),
    Network(
        id="eca_resnet101_k3357",
        summary="ResNet-101 with ECA of kernel sizes 3, 3, 5 and 7 in the blocks of its four stages.",
        source=_ECANET,
        build=with_mechanism(partial(resnet, 101), _eca(3, 3, 5, 7), role="gate"),
        params=44_549_317,
        convention="kernel sizes of the released weights",
    ),
    Network(
        id="fca_resnet50",
        summary="ResNet-50 with frequency channel attention in every block.",
        source=_FCANET,
        build=with_mechanism(partial(resnet, 50), _fcanet, role="gate"),
        params=28_071_976,
        convention="16 frequencies, transforms as large as the features at 224×224",
    ),
    Network(
        id="fca_resnet34",
        summary="ResNet-34 with frequency channel attention in every block.",
        source=_FCANET,
        build=with_mechanism(partial(resnet, 34), _fcanet, role="gate"),
        params=21_954_856,
        convention="16 frequencies, transforms as large as the features at 224×224",
    ),
    Network(
        id="spa_a_preact_resnet18_cifar100",
        summary="Pre-activation ResNet-18 for 32×32 with spatial pyramid attention on every branch.",
        source=f"{_SPANET}/spp_se_resnet.py",
        build=with_mechanism(partial(PreactivationResNet, num_classes=100), "spa", size=32, variant="a"),
        params=12_174_756,
        convention="100 classes",
        inputs=((3, 32, 32),),
    ),
    Network(
        id="spa_b_preact_resnet18_cifar100",
        summary="Pre-activation ResNet-18 for 32×32 with spatial pyramid attention computed from each block's input.",
        source=f"{_SPANET}/p_spp_se_resnet.py",
        build=_spa("b"),
        params=11_825_316,
        convention="100 classes",
        inputs=((3, 32, 32),),
    ),
    Network(
        id="spa_c_preact_resnet18_cifar100",
        summary="Pre-activation ResNet-18 for 32×32 with spatial pyramid attention computed from each block's "
        "input behind a 1×1 convolution where the width changes.",
        source=f"{_SPANET}/cp_spp_se_resnet.py",
        build=_spa("c"),
        params=12_348_580,
        convention="100 classes",
        inputs=((3, 32, 32),),
    ),
)
