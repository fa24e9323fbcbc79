import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.channel.se import SE, cost

RESNET50 = [(256, 3), (512, 4), (1024, 6), (2048, 3)]


def test_by_hand() -> None:
    """Means 1 and 3; the one unit is relu(1 + 3 − 2) = 2; the logits are 2·½ + 0 = 1 and 2·(−½) + 1 = 0."""
    se = SE(2, reduction=2)
    with torch.no_grad():
        se.reduce.weight.copy_(torch.tensor([[1.0, 1.0]]))
        se.reduce.bias.copy_(torch.tensor([-2.0]))
        se.expand.weight.copy_(torch.tensor([[0.5], [-0.5]]))
        se.expand.bias.copy_(torch.tensor([0.0, 1.0]))
    x = torch.tensor([[[[0.0, 2.0]], [[2.0, 4.0]]]])
    expected = torch.tensor([[[[0.0, 2 * 0.7310586]], [[1.0, 2.0]]]])
    torch.testing.assert_close(se(x), expected)


def test_max_squeeze_sees_the_maximum_alone() -> None:
    se, x = SE(8, reduction=2, squeeze="max"), torch.rand(2, 8, 4, 5)
    x[:, :, 1, 2] = 3.0
    gate = se(x)[:, :, 1, 2] / 3.0
    x[:, :, 0, 0] = 2.0
    torch.testing.assert_close(se(x)[:, :, 1, 2] / 3.0, gate)


def test_the_gate_does_not_know_positions() -> None:
    se, x = SE(8, reduction=2).double(), torch.randn(2, 8, 4, 5, dtype=torch.float64)
    order = torch.randperm(20)
    shuffled = x.flatten(2)[:, :, order].reshape(x.shape)
    torch.testing.assert_close(se(shuffled).flatten(2), se(x).flatten(2)[:, :, order])


@pytest.mark.parametrize(("bias", "added"), [(True, 28_088_024 - 25_557_032), (False, 28_071_976 - 25_557_032)])
def test_se_resnet50_has_the_published_parameters(bias: bool, added: int) -> None:
    assert sum(n * cost(c, 1, 1, bias=bias).params for c, n in RESNET50) == added


def test_se_resnet50_has_the_published_macs() -> None:
    assert sum(n * cost(c, 1, 1).macs for c, n in RESNET50) == 3_860_488_192 - 3_857_973_248


def test_bottleneck_keeps_one_unit() -> None:
    assert SE(8, reduction=16).reduce.out_features == 1


def test_errors() -> None:
    with pytest.raises(ShapeError, match="se got channels=0, expected at least 1"):
        SE(0)
    with pytest.raises(ShapeError, match="se got reduction=0, expected at least 1"):
        SE(8, reduction=0)
    with pytest.raises(ConfigError, match="se got squeeze='min', expected one of 'avg', 'max'"):
        SE(8, squeeze="min")
