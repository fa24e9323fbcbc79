import pytest
import torch
from torch import nn
from torchvision import models

from visattn.core.errors import ConfigError
from visattn.explanations import default_layer


def small(*more):
    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(body, *more, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet18", "layer4"),
        ("vgg11", "features"),
        ("mobilenet_v2", "features"),
        ("densenet121", "features"),
        ("efficientnet_b0", "features"),
        ("squeezenet1_1", "classifier.2"),
        ("swin_t", "permute"),
    ],
)
def test_known_networks(name, layer):
    with torch.device("meta"):
        assert default_layer(models.get_model(name), torch.empty(2, 3, 224, 224)) == layer


def test_map_of_one_pixel_is_no_map():
    with torch.device("meta"):
        assert default_layer(models.resnet18(), torch.empty(1, 3, 32, 32)) == "layer3"


def test_pooling_that_keeps_a_map_is_passed_over():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2))
    assert default_layer(model, torch.ones(1, 3, 8, 8)) == "0"


def test_module_plugged_by_a_hook_is_within_its_layer():
    model = small()
    model[0][2].add_module("visattn", nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sigmoid()))
    model[0][2].register_forward_hook(lambda module, inputs, output: output * module.visattn(output))
    assert default_layer(model, torch.ones(1, 3, 8, 8)) == "0"
    model = small(nn.Conv2d(4, 4, 1))
    model[1].add_module("visattn", nn.Sigmoid())
    model[1].register_forward_hook(lambda module, inputs, output: output * module.visattn(output))
    assert default_layer(model, torch.ones(1, 3, 8, 8)) == "1"


def test_model_stays_as_it_was():
    model = small().train()
    default_layer(model, torch.randn(4, 3, 8, 8))
    assert all(m.training for m in model.modules())
    assert model[0][1].num_batches_tracked == 0
    assert not any(m._forward_hooks for m in model.modules())


def test_model_without_maps_is_told():
    with pytest.raises(ConfigError, match="no layer of Sequential returns .* pass larger images, or layer="):
        default_layer(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.ones(1, 3, 2, 2))


def test_channels_last_are_told():
    class ChannelsLast(nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1)

    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), ChannelsLast(), nn.Flatten())
    with pytest.raises(ConfigError, match=r"layer '1' returns \(1, 8, 8, 4\), which is no map of \(8, 8\) pixels"):
        default_layer(model, torch.ones(1, 3, 8, 8))
