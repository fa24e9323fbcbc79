import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.mixed.scse import SCSE, cost


@pytest.mark.parametrize(
    ("aggregation", "combine"),
    [("max", torch.maximum), ("add", torch.add), ("multiply", torch.mul), ("concat", torch.add)],
)
def test_aggregations_of_the_two_scaled_maps(aggregation, combine) -> None:
    """The convolution of "concat" starts as the sum."""
    scse, x = SCSE(8, aggregation=aggregation), torch.randn(2, 8, 4, 5)
    by_channel, by_position = x * scse.channel.gate(x), x * scse.spatial.gate(x)
    torch.testing.assert_close(scse(x), combine(by_channel, by_position))


def test_max_takes_the_larger_gate_where_x_is_positive_and_the_smaller_where_it_is_negative() -> None:
    scse, x = SCSE(8), torch.randn(2, 8, 4, 5)
    channel, position = torch.broadcast_tensors(scse.channel.gate(x), scse.spatial.gate(x))
    expected = torch.where(x > 0, torch.maximum(channel, position), torch.minimum(channel, position))
    torch.testing.assert_close(scse(x), x * expected)


def test_concat_weighs_both_maps() -> None:
    """Weights 2 for the map scaled by channel and −1 for the one scaled by position, bias 3."""
    scse, x = SCSE(1, aggregation="concat"), torch.randn(2, 1, 4, 5)
    with torch.no_grad():
        scse.fuse.weight.copy_(torch.tensor([2.0, -1.0]).reshape(1, 2, 1, 1))
        scse.fuse.bias.fill_(3)
    torch.testing.assert_close(scse(x), 2 * scse.channel(x) - scse.spatial(x) + 3)


def test_closed_form_at_64_channels() -> None:
    assert cost(64, 9, 9).params == 4_257
    assert cost(64, 9, 9, aggregation="concat").params == 4_257 + 2 * 64 * 64 + 64


def test_errors() -> None:
    with pytest.raises(ConfigError, match="scse got aggregation='mean', expected one of 'max', 'add', 'multiply', 'c"):
        SCSE(8, aggregation="mean")
    with pytest.raises(ShapeError, match="cse got channels=0, expected at least 1"):
        SCSE(0)
