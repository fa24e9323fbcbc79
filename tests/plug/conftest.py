import copy
import operator
from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn


class Block(nn.Module):
    """A residual block as anybody would write it; `join` adds the branch and the shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, join: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        features = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(self.join(features, self.shortcut(x)))


def resnet(join: Callable[[Tensor, Tensor], Tensor] = operator.add) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        Block(16, 16, 1, join),
        Block(16, 32, 2, join),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(32, 5),
    )


MODELS = {
    "plain": resnet,
    "torchvision resnet18": lambda: torchvision.models.resnet18(weights=None),
    "torchvision resnet50": lambda: torchvision.models.resnet50(weights=None),
    "torchvision mobilenet_v2": lambda: torchvision.models.mobilenet_v2(weights=None),
    "torchvision shufflenet": lambda: torchvision.models.shufflenet_v2_x1_0(weights=None),
    "timm resnet18": lambda: timm.create_model("resnet18", pretrained=False),
    "timm resnet50": lambda: timm.create_model("resnet50", pretrained=False),
    "timm mobilenetv2": lambda: timm.create_model("mobilenetv2_100", pretrained=False),
}


@pytest.fixture(scope="session")
def built() -> Callable[[str], nn.Module]:
    """Every network once; a test that changes one takes a copy."""
    known: dict[str, nn.Module] = {}

    def build(name: str) -> nn.Module:
        if name not in known:
            torch.manual_seed(0)
            known[name] = MODELS[name]()
        return known[name]

    return build


@pytest.fixture(params=MODELS)
def any_model(request: pytest.FixtureRequest, built: Callable[[str], nn.Module]) -> tuple[str, nn.Module]:
    return request.param, built(request.param)


@pytest.fixture
def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return resnet()


@pytest.fixture
def plain_joined_by() -> Callable[[Callable[[Tensor, Tensor], Tensor]], nn.Sequential]:
    return resnet


@pytest.fixture
def example() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def run_copy(model: nn.Module, example: Tensor, training: bool) -> Tensor:
    """Run a copy under one seed."""
    torch.manual_seed(3)
    return copy.deepcopy(model).train(training)(example)


@pytest.fixture
def run() -> Callable[[nn.Module, Tensor, bool], Tensor]:
    return run_copy


@pytest.fixture
def assert_same_function() -> Callable[[nn.Module, nn.Module, Tensor], None]:
    def check(model: nn.Module, plain: nn.Module, example: Tensor) -> None:
        for training in (False, True):
            assert torch.equal(run_copy(model, example, training), run_copy(plain, example, training))

    return check


@pytest.fixture
def fingerprint() -> Callable[[nn.Module], tuple[object, ...]]:
    """Every module by identity, with its mode, its hooks and its tensors by identity."""

    def take(model: nn.Module) -> tuple[object, ...]:
        modules = dict(model.named_modules())
        hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules.values()]
        tensors = {key: id(value) for key, value in model.state_dict(keep_vars=True).items()}
        return {path: (id(m), m.training) for path, m in modules.items()}, hooks, tensors

    return take
