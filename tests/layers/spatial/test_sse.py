import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.spatial.sse import SSE, cost


def test_by_hand() -> None:
    """Weights 1 and −1, bias 1: at the first position the logit is 2 − 3 + 1 = 0, at the second 4 − 4 + 1 = 1."""
    sse = SSE(2)
    with torch.no_grad():
        sse.conv.weight.copy_(torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1))
        sse.conv.bias.fill_(1)
    x = torch.tensor([[[[2.0, 4.0]], [[3.0, 4.0]]]])
    gates = torch.tensor([0.5, 0.7310586])
    torch.testing.assert_close(sse.gate(x), gates.reshape(1, 1, 1, 2))
    torch.testing.assert_close(sse(x), x * gates)


def test_all_channels_of_a_position_share_its_gate() -> None:
    x = torch.rand(2, 8, 4, 5) + 1
    gate = SSE(8)(x) / x
    torch.testing.assert_close(gate, gate[:, :1].expand_as(gate))
    assert gate.std(dim=(2, 3)).min() > 0


def test_shuffled_positions_give_the_shuffled_result() -> None:
    sse, x = SSE(8), torch.randn(2, 8, 4, 5)
    order = torch.randperm(20)
    shuffled = x.flatten(2)[:, :, order].reshape(x.shape)
    torch.testing.assert_close(sse(shuffled).flatten(2), sse(x).flatten(2)[:, :, order])


def test_few_shot_weights_replace_the_convolution_by_their_mean() -> None:
    sse, same, x = SSE(8), SSE(8), torch.randn(2, 8, 4, 5)
    weights = torch.randn(3, 8)
    with torch.no_grad():
        same.conv.weight.copy_(weights.mean(dim=0).reshape(1, 8, 1, 1))
        same.conv.bias.zero_()
    torch.testing.assert_close(sse(x, weights), same(x))


def test_closed_form_at_64_channels() -> None:
    assert cost(64, 9, 9).params == 65


def test_errors() -> None:
    with pytest.raises(ShapeError, match="sse got channels=0, expected at least 1"):
        SSE(0)
    for shape in ((8,), (3, 9), (3, 8, 1)):
        with pytest.raises(ShapeError, match=r"sse got weights of \(.*\), expected \(any number, 8\): pass one row"):
            SSE(8)(torch.ones(1, 8, 2, 2), torch.ones(shape))
