import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from visattn.core.errors import ConfigError, ShapeError, UnknownNameError
from visattn.explanations import grad_cam


class Quadrants(nn.Module):
    """Four classes; each score is the brightness of one quadrant, counted by a channel of its own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 1, bias=False)
        self.mask = nn.Identity()
        self.fc = nn.Linear(4, 4, bias=False)
        nn.init.ones_(self.conv.weight)
        nn.init.eye_(self.fc.weight)

    def forward(self, x):
        x = self.conv(x)
        half = torch.zeros_like(x)
        height, width = x.shape[2] // 2, x.shape[3] // 2
        for k in range(4):
            rows = slice(0, height) if k < 2 else slice(height, None)
            columns = slice(0, width) if k % 2 == 0 else slice(width, None)
            half[:, k, rows, columns] = 1
        return self.fc(self.mask(x * half).mean(dim=(2, 3)))


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return models.resnet18(num_classes=10)


@pytest.fixture
def images():
    return torch.randn(3, 3, 96, 128, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", ["layer4", "layer2", "conv1"])
@pytest.mark.parametrize("target", [None, 3, torch.tensor([1, 7, 7])], ids=["predicted", "one", "each"])
def test_agrees_with_the_grad_cam_package(network, images, layer, target):
    reference = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network.eval()
    # the package adds 1e-7 to a maximum, so the scores are made large
    network.fc.weight.data *= 1000
    targets = None if target is None else torch.as_tensor(target).expand(3).tolist()
    with reference.GradCAM(network, [network.get_submodule(layer)]) as package:
        expected = package(images, targets and [ClassifierOutputTarget(t) for t in targets])
    ours = grad_cam(network, images, target=target, layer=layer).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


def test_agrees_with_the_grad_cam_package_on_a_small_network():
    reference = pytest.importorskip("pytorch_grad_cam")
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=3, generator=generator)
    images = torch.randn(4, 3, 17, 24, generator=generator)
    with reference.GradCAM(model, [model[1]]) as package:
        expected = package(images, None)
    assert expected.std() > 0.1
    np.testing.assert_allclose(grad_cam(model, images).numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("target", range(4))
def test_cause_that_is_known_lights_up(target):
    heat = grad_cam(Quadrants(), torch.ones(1, 1, 8, 12), target=target, layer="mask")[0]
    rows = slice(0, 4) if target < 2 else slice(4, None)
    columns = slice(0, 6) if target % 2 == 0 else slice(6, None)
    expected = torch.zeros(8, 12)
    expected[rows, columns] = 1
    torch.testing.assert_close(heat, expected)


def test_hand_computed_map():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.maps = nn.Identity()

        def forward(self, x):
            a, b = self.maps(x).unbind(1)
            return torch.stack([(2 * a - b).sum(dim=(1, 2)), b.square().sum(dim=(1, 2))], dim=1)

    x = torch.tensor([[[[3.0, 1.0], [0.0, 2.0]], [[1.0, 4.0], [1.0, 0.0]]]])
    # α = (2, −1), so Σ α A = [[5, −2], [−1, 4]]
    torch.testing.assert_close(grad_cam(Two(), x, target=0, layer="maps"), torch.tensor([[[1.0, 0.0], [0.0, 0.8]]]))
    # α = (0, mean of 2 b) = (0, 3), so 3 b
    torch.testing.assert_close(grad_cam(Two(), x, target=1, layer="maps"), torch.tensor([[[0.25, 1], [0.25, 0]]]))


def test_map_without_evidence_is_zero():
    model = Quadrants()
    nn.init.constant_(model.fc.weight, -1.0)
    assert grad_cam(model, torch.ones(2, 1, 8, 8), target=0, layer="mask").eq(0).all()


def test_images_do_not_influence_each_other(network, images):
    together = grad_cam(network, images)
    alone = torch.cat([grad_cam(network, image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert together.shape == (3, 96, 128)
    assert together.amin(dim=(1, 2)).eq(0).all()
    assert together.amax(dim=(1, 2)).eq(1).all()


def test_layer_by_path_by_module_and_by_default_agree(network, images):
    expected = grad_cam(network, images)
    torch.testing.assert_close(grad_cam(network, images, layer="layer4"), expected, rtol=0, atol=0)
    torch.testing.assert_close(grad_cam(network, images, layer=network.layer4), expected, rtol=0, atol=0)


def test_model_stays_as_it_was(network, images):
    network.train()
    network.layer1.eval()
    gradient = network.fc.weight.grad = torch.ones_like(network.fc.weight)
    modes = [m.training for m in network.modules()]
    state = {k: v.clone() for k, v in network.state_dict().items()}
    grad_cam(network, images)
    assert [m.training for m in network.modules()] == modes
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)
    assert network.fc.weight.grad is gradient
    assert gradient.eq(1).all()
    assert all(p.grad is None for p in network.layer4.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in network.modules())


def test_frozen_model_and_callers_without_gradients(network, images):
    expected = grad_cam(network, images)
    network.requires_grad_(False)
    torch.testing.assert_close(grad_cam(network, images), expected, rtol=0, atol=0)
    with torch.no_grad():
        torch.testing.assert_close(grad_cam(network, images), expected, rtol=0, atol=0)
    with torch.inference_mode():
        torch.testing.assert_close(grad_cam(network, images.clone()), expected, rtol=0, atol=0)


def test_half_precision_gives_float_maps(network, images):
    heat = grad_cam(network.bfloat16(), images.bfloat16())
    assert heat.dtype == torch.float32


def test_failing_model_keeps_no_hook(network):
    with pytest.raises(RuntimeError, match="channels"):
        grad_cam(network, torch.ones(1, 5, 64, 64), layer="layer4")
    assert not network.layer4._forward_hooks
    assert network.training


def test_single_image_is_told(network):
    with pytest.raises(ShapeError, match=r"images of shape \(3, 64, 64\), expected \(B, C, H, W\): use images\[None\]"):
        grad_cam(network, torch.ones(3, 64, 64))


def test_layer_that_does_not_exist_is_told(network, images):
    with pytest.raises(UnknownNameError, match="unknown layer 'layer5': did you mean"):
        grad_cam(network, images, layer="layer5")


def test_layer_of_another_model_is_told(network, images):
    with pytest.raises(ConfigError, match="the Conv2d that was passed as layer is no part of the model"):
        grad_cam(network, images, layer=nn.Conv2d(3, 3, 1))


def test_layer_without_influence_is_told():
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.aside = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)

        def forward(self, x):
            self.aside(x)
            return self.used(x).mean(dim=(2, 3))

    with pytest.raises(ConfigError, match="the output does not depend on layer 'aside'"):
        grad_cam(Aside(), torch.ones(1, 1, 4, 4), layer="aside")


@pytest.mark.parametrize("target", [10, -1, torch.tensor([0, 0, 10])], ids=str)
def test_target_that_is_no_class_is_told(network, images, target):
    with pytest.raises(ConfigError, match="is no class: the model has the classes 0 to 9"):
        grad_cam(network, images, target=target)


def test_wrong_number_of_targets_is_told(network, images):
    with pytest.raises(ShapeError, match=r"got \(2,\) targets for 3 images"):
        grad_cam(network, images, target=torch.tensor([1, 2]))


def test_model_that_is_no_classifier_is_told():
    with pytest.raises(ShapeError, match=r"the model returned \(1, 2, 4, 4\), expected \(B, classes\)"):
        grad_cam(nn.Sequential(nn.Conv2d(1, 2, 1)), torch.ones(1, 1, 4, 4))
