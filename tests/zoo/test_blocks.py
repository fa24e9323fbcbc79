import torch

from visattn.layers.context.apnb import APNB
from visattn.layers.context.ocr import OCR
from visattn.zoo.blocks import SpatialOCR, StageGates, pyramid_context


def test_each_stage_has_its_own_gate():
    gates = StageGates("rga_c", channels=(8, 16), sizes=((4, 2), (2, 1))).eval()
    features = torch.rand(2, 8, 4, 2), torch.rand(2, 16, 2, 1)
    outputs = gates(*features)
    assert all(torch.equal(y, gate(x)) for y, gate, x in zip(outputs, gates.gates, features, strict=True))


def test_spatial_ocr_is_the_head_between_its_classifiers():
    head = OCR(16, 3, hidden=8, key_channels=4).eval()
    block = SpatialOCR(16, hidden=8, key_channels=4).eval()
    block.load_state_dict({k: v for k, v in head.state_dict().items() if k.startswith(("pixels", "context"))})
    x, low = torch.rand(2, 16, 5, 7), torch.rand(2, 8, 5, 7)
    logits, maps = head(x, low)
    assert torch.equal(head.classify(block(x, maps)), logits)


def test_the_pyramid_context_is_what_apnb_fuses():
    block, fused = (
        pyramid_context(16, key_channels=4, value_channels=4).eval(),
        APNB(16, 16, key_channels=4, value_channels=4),
    )
    fused.eval().load_state_dict(block.state_dict(), strict=False)
    x = torch.rand(2, 16, 5, 7)
    assert torch.equal(fused.fuse(block(x)), fused(x))
    assert torch.equal(block(x)[:, 16:], x)
