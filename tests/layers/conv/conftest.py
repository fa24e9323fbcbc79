from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from visattn.core.spec import Cost


@pytest.fixture
def randomise() -> Callable[[nn.Module], nn.Module]:
    """Move every parameter and statistic away from its start, in double precision."""

    def act(module: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        module.double()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.normal_(std=0.5, generator=generator)
            for name, buffer in module.named_buffers():
                if name.endswith("running_mean"):
                    buffer.normal_(generator=generator)
                if name.endswith("running_var"):
                    buffer.uniform_(0.5, 1.5, generator=generator)
        return module

    return act


@pytest.fixture
def image() -> Callable[..., Tensor]:
    def draw(channels: int, height: int = 9, width: int = 7, batch: int = 2) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        return torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64)

    return draw


@pytest.fixture
def resnet18() -> Callable[[Callable[..., Cost]], Cost]:
    """Count ResNet-18 at 224×224 with the first convolution of every basic block replaced."""

    def count(cost: Callable[..., Cost]) -> Cost:
        blocks = [(64, 64, 56, 1)] * 2
        for out, size in ((128, 56), (256, 28), (512, 14)):
            blocks += [(out // 2, out, size, 2), (out, out, size // 2, 1)]
        params, macs = 11_689_512, 1_814_073_344
        for inputs, outputs, size, stride in blocks:
            own, plain = cost(inputs, outputs, size, size, stride=stride), 9 * inputs * outputs
            params += own.params - plain
            macs += own.macs - plain * (size // stride) ** 2
        return Cost(params=params, macs=macs)

    return count
