import pytest
import torch
from torchvision import models

from visattn.core.errors import ShapeError
from visattn.zoo.mobilenet_v2 import MobileNetV2


def test_it_computes_what_torchvision_computes_with_its_weights():
    ours, theirs = MobileNetV2(num_classes=7).eval(), models.mobilenet_v2(num_classes=7).eval()
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(2, 3, 75, 64)
    with torch.no_grad():
        assert torch.allclose(ours(image), theirs(image), rtol=1e-4, atol=1e-5)


def test_sizes_below_one_are_refused():
    with pytest.raises(ShapeError, match="num_classes=0"):
        MobileNetV2(num_classes=0)
