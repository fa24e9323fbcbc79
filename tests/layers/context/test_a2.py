import pytest
import torch
from torch import Tensor

from visattn.core.errors import ShapeError
from visattn.layers.context.a2 import A2, cost
from visattn.layers.context.gc import GC


def randomised(channels: int = 8, **options: object) -> A2:
    module = A2(channels, **options).double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module


def image(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def attended(module: A2, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return A, B and V as matrices over positions."""
    features, gathering, distribution = (f(x).flatten(2) for f in (module.feature, module.gather, module.distribute))
    return features, gathering.softmax(dim=2), distribution.softmax(dim=1)


def test_by_hand() -> None:
    """One channel over two positions, 1 and 5, m = 1 and n = 2.

    The first map gathers with ¼ and ¾, so g₁ = 4, the second with equal weights, so g₂ = 3. At the first position both
    descriptors count half, 3½, at the second the second counts all, 3. The projection doubles and adds 1.
    """
    module = A2(1, maps=2).double()
    ln3 = torch.tensor(3.0, dtype=torch.float64).log().item()
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
        module.feature.weight.fill_(1)
        module.gather.weight[0] = ln3 / 4
        module.distribute.weight[1] = 1000 / 4
        module.distribute.bias[1] = -1000 / 4
        module.project.weight.fill_(2)
        module.project.bias.fill_(1)
    x = torch.tensor([1.0, 5.0], dtype=torch.float64).reshape(1, 1, 1, 2)
    torch.testing.assert_close(module(x).flatten(), torch.tensor([1 + 8.0, 5 + 7.0], dtype=torch.float64))


def test_either_association_gives_the_same() -> None:
    module, x = randomised(values=3, maps=5, project=False, residual=False), image(2, 8, 5, 7)
    features, gathering, distribution = attended(module, x)
    pairwise = features @ (gathering.transpose(1, 2) @ distribution)
    torch.testing.assert_close(module(x).flatten(2), pairwise)


def test_both_attentions_sum_to_one_in_their_own_direction() -> None:
    """So constant features come through unchanged: they are gathered by weights of sum 1, and so handed out."""
    module, x = randomised(values=3, maps=5, project=False, residual=False), image(2, 8, 5, 7)
    with torch.no_grad():
        module.feature.weight.zero_()
    torch.testing.assert_close(module(x), module.feature.bias.reshape(1, 3, 1, 1).expand(2, 3, 5, 7))


def test_one_map_is_the_context_of_gc_at_every_position() -> None:
    module, gc, x = randomised(maps=1, project=False, residual=False), GC(8).double(), image(2, 8, 5, 7)
    with torch.no_grad():
        module.feature.weight.copy_(torch.eye(8).reshape(8, 8, 1, 1))
        module.feature.bias.zero_()
        gc.mask.weight.copy_(module.gather.weight)
        gc.mask.bias.copy_(module.gather.bias)
    torch.testing.assert_close(module(x), gc.context(x)[:, :, None, None].expand_as(x))


def test_shuffled_positions_give_the_shuffled_result() -> None:
    module, x = randomised(), image(2, 8, 5, 7)
    order = torch.randperm(35)
    shuffled = x.flatten(2)[:, :, order].reshape(x.shape)
    torch.testing.assert_close(module(shuffled).flatten(2), module(x).flatten(2)[:, :, order])


def test_bias_of_the_gathering_cancels() -> None:
    module, x = randomised(), image(2, 8, 5, 7)
    expected = module(x)
    with torch.no_grad():
        module.gather.bias += torch.arange(2)
    torch.testing.assert_close(module(x), expected)


def test_residual_and_projection() -> None:
    x, module = image(2, 8, 5, 7), randomised()
    plain = A2(8, residual=False).double()
    plain.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x), x + plain(x))
    inner = A2(8, values=2, project=False, residual=False).double()
    inner.load_state_dict({k: v for k, v in module.state_dict().items() if not k.startswith("project")})
    torch.testing.assert_close(module(x), x + module.project(inner(x)))


def test_widths() -> None:
    assert (A2(64).feature.out_channels, A2(64).gather.out_channels) == (16, 16)
    assert (A2(3).feature.out_channels, A2(3).gather.out_channels) == (1, 1)
    assert A2(64, project=False).feature.out_channels == 64


def test_half_the_channels_give_the_published_resnet50() -> None:
    """33.0 M parameters and 6.50 G MACs are printed; two blocks in the third stage and three in the fourth come near.

    The weights alone are 32,897,064 - 25,557,032.
    """
    stages = [(2, 512, 28), (3, 1024, 14)]
    costs = [(n, cost(c, s, s, values=c // 2, maps=c // 2)) for n, c, s in stages]
    biases = sum(n * 5 * c // 2 for n, c, _ in stages)
    assert sum(n * c.params for n, c in costs) - biases == 32_897_064 - 25_557_032
    assert 3_857_973_248 + sum(n * c.macs for n, c in costs) == pytest.approx(6.43e9, rel=1e-3)


def test_errors() -> None:
    with pytest.raises(ShapeError, match="a2 got channels=0, expected at least 1"):
        A2(0)
    with pytest.raises(ShapeError, match="a2 got values=0, expected at least 1"):
        A2(8, values=0)
    with pytest.raises(ShapeError, match="a2 got maps=0, expected at least 1"):
        A2(8, maps=0)
    message = "a2 got values=3 for 8 channels, expected 8 without a projection: pass project=True or residual=False"
    with pytest.raises(ShapeError, match=message):
        A2(8, values=3, project=False)
