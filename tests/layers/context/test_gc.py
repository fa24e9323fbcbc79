import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.context.gc import GC


def randomised(channels: int = 8, **options: object) -> GC:
    module = GC(channels, ratio=0.5, **options).double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize(
    ("channels", "ratio", "params"),
    [
        (256, 1 / 16, 8_753),
        (512, 1 / 16, 33_889),
        (1024, 1 / 16, 133_313),
        (2048, 1 / 16, 528_769),
        (256, 1 / 4, 33_473),
        (512, 1 / 4, 132_481),
        (1024, 1 / 4, 527_105),
        (2048, 1 / 4, 2_102_785),
    ],
)
def test_published_parameters_of_a_block(channels: int, ratio: float, params: int) -> None:
    assert sum(p.numel() for p in GC(channels, ratio=ratio).parameters()) == params


def test_published_parameters_of_gc_resnet50() -> None:
    added = sum(n * sum(p.numel() for p in GC(c).parameters()) for c, n in ((512, 4), (1024, 6), (2048, 3)))
    assert added == 28_078_773 - 25_557_032


def test_by_hand() -> None:
    """Two channels over two positions, (0, 1) and (ln 3, 5): logits 0 and ln 3 weigh them ¼ and ¾, so c = (¾ ln 3, 4).

    The two units get c₁ + b and its negative, which the layer norm makes 1 and −1 for a positive sum; relu keeps the
    first, and the last layer adds (10, 20).
    """
    module = GC(2, ratio=1.0).double()
    ln3 = torch.tensor(3.0, dtype=torch.float64).log().item()
    with torch.no_grad():
        module.mask.weight.copy_(torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1))
        module.add[0].weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        module.add[0].bias.copy_(torch.tensor([100.0, -100.0]))
        module.add[3].weight.copy_(torch.tensor([[10.0, 7.0], [20.0, 7.0]]))
    x = torch.tensor([[[[0.0, ln3]], [[1.0, 5.0]]]], dtype=torch.float64)
    torch.testing.assert_close(module.context(x), torch.tensor([[0.75 * ln3, 4.0]], dtype=torch.float64))
    expected = x + torch.tensor([10.0, 20.0], dtype=torch.float64).reshape(1, 2, 1, 1)
    torch.testing.assert_close(module(x), expected, rtol=1e-8, atol=0)


def test_starts_as_the_identity_for_addition_and_halves_for_multiplication() -> None:
    x = torch.randn(2, 16, 5, 7)
    assert torch.equal(GC(16)(x), x)
    assert torch.equal(GC(16, fusion=["mul"])(x), x / 2)
    assert torch.equal(GC(16, fusion=["add", "mul"])(x), x / 2)


@pytest.mark.parametrize("pooling", ["att", "avg"])
def test_context_does_not_know_positions(pooling: str) -> None:
    module, x = randomised(pooling=pooling), image(2, 8, 5, 7)
    order = torch.randperm(35)
    shuffled = x.flatten(2)[:, :, order].reshape(x.shape)
    torch.testing.assert_close(module.context(shuffled), module.context(x))
    torch.testing.assert_close(module(shuffled).flatten(2), module(x).flatten(2)[:, :, order])


def test_every_position_gets_the_same_vector() -> None:
    module, x = randomised(), image(2, 8, 5, 7)
    added = module(x) - x
    torch.testing.assert_close(added, added[:, :, :1, :1].expand_as(x))
    assert added.abs().min() > 0


def test_equal_logits_pool_the_mean() -> None:
    module, x = randomised(), image(2, 8, 5, 7)
    with torch.no_grad():
        module.mask.weight.zero_()
    torch.testing.assert_close(module.context(x), x.mean(dim=(2, 3)))


def test_one_large_logit_picks_its_position() -> None:
    module, x = randomised(), image(2, 8, 5, 7)
    with torch.no_grad():
        module.mask.weight.zero_()
        module.mask.weight[0, 3] = 1000
    x[:, 3, 2, 4] = 10
    torch.testing.assert_close(module.context(x), x[:, :, 2, 4])


def test_bias_of_the_logits_cancels() -> None:
    module, x = randomised(), image(2, 8, 5, 7)
    expected = module(x)
    with torch.no_grad():
        module.mask.bias += 5
    torch.testing.assert_close(module(x), expected)


def test_both_branches_read_one_context_and_the_product_comes_first() -> None:
    module, x = randomised(fusion=["add", "mul"]), image(2, 8, 5, 7)
    context = module.context(x)
    expected = x * module.mul(context).sigmoid()[:, :, None, None] + module.add(context)[:, :, None, None]
    torch.testing.assert_close(module(x), expected)


def test_bottleneck_keeps_one_unit() -> None:
    assert GC(12).add[0].out_features == 1
    assert GC(48).add[0].out_features == 3


def test_errors() -> None:
    with pytest.raises(ShapeError, match="gc got channels=0, expected at least 1"):
        GC(0)
    with pytest.raises(ConfigError, match="gc got ratio=0, expected a number above 0: the paper has 1/16 and 1/4"):
        GC(8, ratio=0)
    with pytest.raises(ConfigError, match="gc got pooling='max', expected one of 'att', 'avg'"):
        GC(8, pooling="max")
    with pytest.raises(ConfigError, match=r"gc got fusion=\['sub'\], expected a list of one or more of 'add', 'mul'"):
        GC(8, fusion=["sub"])
