import pytest
import torch
from torchvision import models

from visattn.core.errors import ConfigError, ShapeError
from visattn.zoo.resnet import resnet


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_weights_of_torchvision_fit(depth):
    with torch.device("meta"):
        ours, theirs = resnet(depth).state_dict(), models.get_model(f"resnet{depth}").state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


@pytest.mark.parametrize("depth", [18, 50])
def test_it_computes_what_torchvision_computes(depth):
    ours, theirs = resnet(depth, num_classes=7).eval(), models.get_model(f"resnet{depth}", num_classes=7).eval()
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(2, 3, 75, 64)
    with torch.no_grad():
        assert torch.allclose(ours(image), theirs(image), rtol=1e-4, atol=1e-5)


def test_v1_strides_in_the_first_convolution_of_a_bottleneck():
    for form, strides in (("v1", (2, 1)), ("v1.5", (1, 2))):
        block = resnet(50, form=form).layer3[0]
        assert (block.conv1.stride[0], block.conv2.stride[0]) == strides


def test_the_last_stage_can_keep_the_size():
    net = resnet(18, last_stride=1).eval()
    sizes = []
    net.layer4.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[2:]))
    net(torch.zeros(1, 3, 64, 64))
    assert sizes == [(4, 4)]


@pytest.mark.parametrize("options", [{"depth": 20}, {"depth": 50, "form": "v2"}])
def test_unknown_forms_are_refused(options):
    with pytest.raises(ConfigError, match="expected one of"):
        resnet(**options)


def test_sizes_below_one_are_refused():
    with pytest.raises(ShapeError, match="num_classes=0"):
        resnet(18, num_classes=0)
