import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from visattn.catalogue.official import official
from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.context.object_context import ObjectAttention, ObjectContext, SpatialGather
from visattn.layers.context.ocr import OCR, SPEC, cost


def randomised(**options: object) -> OCR:
    module = OCR(12, 5, low_channels=6, hidden=8, key_channels=4, **options).double().eval()
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.5 * torch.randn_like(p))
    return module


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def params(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_published_parameters() -> None:
    module = OCR(2048, 19)
    assert params(module.pixels) + params(module.context) == 10_625_280
    assert params(module.auxiliary) == 1024 * 512 * 9 + 512 + 1024 + 512 * 19 + 19


def test_published_parameters_on_hrnet() -> None:
    module = OCR(720, 19, low_channels=720, variant="hrnet")
    assert params(module.context) == 1_184_256
    assert params(module.auxiliary) == 720 * 720 + 720 + 2 * 720 + 720 * 19 + 19


@pytest.mark.parametrize("variant", ["openseg", "hrnet"])
def test_the_regions_come_from_the_auxiliary_logits(variant: str) -> None:
    module, x, low = randomised(variant=variant), image(2, 12, 6, 7), image(2, 6, 6, 7)
    pixels, maps = module.pixels(x), module.auxiliary(low)
    y, auxiliary = module(x, low)
    torch.testing.assert_close(auxiliary, maps)
    regions = torch.einsum("bchw,bkhw->bck", pixels, maps.flatten(2).softmax(dim=2).reshape(maps.shape))[..., None]
    torch.testing.assert_close(y, module.classify(module.context(pixels, regions)))
    assert SPEC.loss_weights == (1.0, 0.4)


def test_the_main_loss_teaches_the_auxiliary_head() -> None:
    module = randomised()
    module(image(2, 12, 6, 7), image(2, 6, 6, 7))[0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in module.auxiliary[1].parameters() if p.dim() > 1)


@pytest.mark.parametrize("variant", ["openseg", "hrnet"])
def test_cost_with_sub_sampling(variant: str) -> None:
    options = {"low_channels": 6, "hidden": 8, "key_channels": 4, "sub_sample": 2, "variant": variant}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        OCR(12, 5, **options).eval()(torch.randn(1, 12, 7, 9), torch.randn(1, 6, 7, 9))
    assert counter.get_total_flops() == 2 * cost(12, 5, 7, 9, **options).macs


@pytest.mark.parametrize(
    ("file", "bias"),
    [
        ("openseg-group/openseg.pytorch:lib/models/modules/spatial_ocr_block.py", True),
        ("HRNet/HRNet-Semantic-Segmentation:lib/models/seg_hrnet_ocr.py", False),
    ],
)
def test_the_parts_of_both_repositories(file: str, bias: bool) -> None:
    gather = official(f"{file}:SpatialGather_Module").build(cls_num=5, scale=2)
    attention = official(f"{file}:ObjectAttentionBlock2D").build(8, 4, scale=2)
    context = official(f"{file}:SpatialOCR_Module").build(8, 4, 6, scale=2)
    assert isinstance(gather, SpatialGather) and gather.scale == 2
    assert isinstance(attention, ObjectAttention) and attention.sub_sample == 2
    assert isinstance(context, ObjectContext) and context.attention.sub_sample == 2 and context.dropout.p == 0.1
    assert (attention.value[0].bias is not None) == (context.fuse[0].bias is not None) == bias


def test_errors() -> None:
    for name in ("in_channels", "out_channels", "low_channels", "hidden", "key_channels", "sub_sample"):
        with pytest.raises(ShapeError, match=f"ocr got {name}=0, expected at least 1"):
            OCR(**{"in_channels": 12, "out_channels": 5, "low_channels": 6, name: 0})
    with pytest.raises(ConfigError, match="ocr got variant='resnet', expected one of 'openseg', 'hrnet'"):
        OCR(12, 5, variant="resnet")
    with pytest.raises(ShapeError, match=r"ocr got features of \(6, 7\) and class maps of \(12, 14\)"):
        randomised()(image(1, 12, 6, 7), image(1, 6, 12, 14))
