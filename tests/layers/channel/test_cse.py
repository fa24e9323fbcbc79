import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.channel.cse import CSE, cost
from visattn.layers.channel.se import SE


def test_by_hand() -> None:
    """Means 1 and 3; the one unit is relu(1 + 3 − 2) = 2; the logits are 2·½ + 0 = 1 and 2·(−½) + 1 = 0."""
    cse = CSE(2)
    with torch.no_grad():
        cse.reduce.weight.copy_(torch.tensor([[1.0, 1.0]]))
        cse.reduce.bias.copy_(torch.tensor([-2.0]))
        cse.expand.weight.copy_(torch.tensor([[0.5], [-0.5]]))
        cse.expand.bias.copy_(torch.tensor([0.0, 1.0]))
    x = torch.tensor([[[[0.0, 2.0]], [[2.0, 4.0]]]])
    torch.testing.assert_close(cse(x), torch.tensor([[[[0.0, 2 * 0.7310586]], [[1.0, 2.0]]]]))


def test_it_is_se_with_half_the_channels_in_between() -> None:
    cse, se = CSE(12), SE(12, reduction=2)
    se.load_state_dict(cse.state_dict())
    x = torch.randn(2, 12, 5, 7)
    torch.testing.assert_close(cse(x), se(x))


def test_closed_form_at_64_channels() -> None:
    assert cost(64, 9, 9).params == 4_192


def test_bottleneck_keeps_one_unit() -> None:
    assert CSE(1).reduce.out_features == 1


def test_errors() -> None:
    with pytest.raises(ShapeError, match="cse got channels=0, expected at least 1"):
        CSE(0)
    with pytest.raises(ShapeError, match="cse got reduction=0, expected at least 1"):
        CSE(8, reduction=0)
