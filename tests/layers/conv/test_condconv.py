import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.condconv import CondConv, cost


def test_mixes_by_the_sigmoid_of_the_pooled_image(randomise, image) -> None:
    module, x = randomise(CondConv(4, 6, 3, 2, experts=3)), image(4)
    shares = (x.mean((2, 3)) @ module.routing.weight.T + module.routing.bias).sigmoid()
    torch.testing.assert_close(module(x), module.mixture(x, shares))
    assert not torch.allclose(shares.sum(1), torch.ones(2).double())


def test_one_expert_by_hand() -> None:
    module = CondConv(1, 1, 1, experts=1, variant="paper")
    with torch.no_grad():
        module.routing.weight.fill_(0.5)
        module.mixture.weight.fill_(3)
        module.mixture.bias.fill_(1)
    x = torch.tensor([1.0, 3.0]).reshape(1, 1, 1, 2)
    share = 1 / (1 + 2.718281828**-1)
    torch.testing.assert_close(module(x).flatten(), share * torch.tensor([4.0, 10.0]))


def test_the_paper_has_no_bias_in_the_routing() -> None:
    assert CondConv(4, 6, variant="paper").routing.bias is None
    assert cost(4, 6, 5, 5).params - cost(4, 6, 5, 5, variant="paper").params == 8


def test_the_experts_cost_once_per_image() -> None:
    """Eight times the parameters of a kernel, however large the image."""
    small, large = (cost(64, 64, size, size).macs for size in (7, 56))
    kernel = 9 * 64 * 64
    assert large - small == kernel * (56**2 - 7**2)
    assert small - kernel * 49 == 8 * (kernel + 64 + 64)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ShapeError, "^condconv got in_channels=0, expected at least 1$"),
        ({"out_channels": 0}, ShapeError, "^condconv got out_channels=0, expected at least 1$"),
        ({"experts": 0}, ShapeError, "^condconv got experts=0, expected at least 1$"),
        ({"groups": 0}, ShapeError, "^condconv got groups=0, expected at least 1$"),
        ({"groups": 3}, ShapeError, "^condconv got in_channels=4, expected a multiple of groups=3$"),
        ({"variant": "own"}, ConfigError, "^condconv got variant='own', expected one of 'official', 'paper'$"),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CondConv(**{"in_channels": 4, "out_channels": 4, **arguments})


def test_batch_order_does_not_matter(randomise, image) -> None:
    module, x = randomise(CondConv(4, 6)), image(4, batch=3)
    torch.testing.assert_close(module(x.flip(0)), module(x).flip(0))
    assert isinstance(module.routing, nn.Linear)
