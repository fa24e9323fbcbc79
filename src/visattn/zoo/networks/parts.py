"""Published blocks and heads."""

from functools import partial
from typing import Any

from visattn.catalogue import create
from visattn.zoo.blocks import SpatialOCR, StageGates, pyramid_context
from visattn.zoo.entry import Network

_ATTENTION_MODULE = "Jongchan/attention-module:MODELS"
_STAGES = (256, 512, 1024, 2048)
_PERSON = ((64, 32), (32, 16), (16, 8), (16, 8))


def _gate(id: str, mechanism: str, channels: int, params: int, source: str, **options: Any) -> Network:
    settings = "".join(f", {name}={value!r}" for name, value in options.items())
    return Network(
        id=id,
        summary=f"The block {mechanism} for {channels} channels{settings}.",
        source=source,
        build=partial(create, mechanism, channels, **options),
        params=params,
        inputs=((channels, 14, 14),),
    )


def _rga(id: str, mechanism: str, params: int) -> Network:
    return Network(
        id=id,
        summary=f"The four gates {mechanism} behind the stages of a ResNet-50 that sees persons at 256×128.",
        source="microsoft/Relation-Aware-Global-Attention-Networks:reid/models/models_utils/rga_modules.py",
        build=partial(StageGates, mechanism, channels=_STAGES, sizes=_PERSON),
        params=params,
        convention="the gates alone; stride 1 in stage 4, so its features are 16×8",
        inputs=tuple((c, *size) for c, size in zip(_STAGES, _PERSON, strict=True)),
    )


NETWORKS = (
    _gate(
        "block:nonlocal_1024",
        "non_local",
        1024,
        2_101_760,
        "AlexHex7/Non-local_pytorch:lib/non_local_embedded_gaussian.py",
    ),
    _gate("block:danet_pam_512", "danet_pam", 512, 328_321, "junfu1115/DANet:encoding/nn/da_att.py"),
    _gate("block:ccnet_cca_512", "criss_cross", 512, 328_321, "speedinghzl/CCNet:cc_attention/functions.py"),
    Network(
        id="head:danet_19",
        summary="The dual attention head for 2048 channels and 19 classes.",
        source="junfu1115/DANet:encoding/models/sseg/danet.py",
        build=partial(create, "danet_head", 2048, 19),
        params=23_954_619,
        inputs=((2048, 32, 32),),
    ),
    _gate("block:gc_256_r16", "gc", 256, 8_753, "xvjiarui/GCNet:mmdet/ops/gcb/context_block.py", ratio=1 / 16),
    Network(
        id="block:ocr",
        summary="Object-contextual representations of 2048 channels: a 3×3 convolution to 512 and the attention to "
        "the regions of 19 class maps.",
        source="openseg-group/openseg.pytorch:lib/models/modules/spatial_ocr_block.py",
        build=partial(SpatialOCR, 2048),
        params=10_625_280,
        convention="biases in all convolutions; without the classifiers",
        inputs=((2048, 32, 32), (19, 32, 32)),
    ),
    Network(
        id="block:apnb_2048",
        summary="The asymmetric pyramid non-local block for 2048 channels up to its fusion, keys and values of 256.",
        source="MendelXu/ANN:efficiency_statics",
        build=partial(pyramid_context, 2048),
        params=1_575_936,
        convention="without the convolution that fuses context and input",
        inputs=((2048, 32, 32),),
    ),
    _rga("block:rga_s_256x128", "rga_s", 3_223_800),
    _rga("block:rga_c_256x128", "rga_c", 3_090_296),
    _gate("block:iau_512", "iau", 512, 793_103, "blue-blue272/ImgReID-IAnet:models/IAU.py"),
    _gate("block:iau_1024", "iau", 1024, 3_159_055, "blue-blue272/ImgReID-IAnet:models/IAU.py"),
    _gate("block:cbam_256", "cbam", 256, 8_564, f"{_ATTENTION_MODULE}/cbam.py"),
    _gate("block:bam_256", "bam", 256, 17_361, f"{_ATTENTION_MODULE}/bam.py"),
    Network(
        id="block:ram",
        summary="The recurrent attention model for 28×28 digits: six glimpses of 8×8 pixels.",
        source="kevinzakka/recurrent-visual-attention:model.py",
        build=partial(create, "ram", 1),
        params=242_317,
        convention="one scale, 10 classes",
        inputs=((1, 28, 28),),
    ),
    Network(
        id="block:mha_512_8",
        summary="Multi-head attention of width 512 with 8 heads.",
        source="harvardnlp/annotated-transformer:the_annotated_transformer.py",
        build=partial(create, "multi_head_attention", 512, 512, heads=8),
        params=1_050_624,
        convention="with biases",
        inputs=((10, 512), (20, 512)),
    ),
    Network(
        id="block:show_attend_tell_attention",
        summary="The soft attention of a captioning decoder of 512 units to 2048 features per position.",
        source="sgrvinod/a-PyTorch-Tutorial-to-Image-Captioning:models.py",
        build=partial(
            create,
            "show_attend_tell",
            512,
            2048,
            attention_features=512,
            gate=False,
            variant="sgrvinod",
        ),
        params=1_312_257,
        convention="512 hidden units; without the gate, which is the decoder's",
        inputs=((1, 512), (196, 2048)),
    ),
)
