import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.rfcaconv import RFCAConv, cost


def test_gates_rows_and_columns_of_taps(randomise, image) -> None:
    """From the k² features, without the k times larger map."""
    module, x = randomise(RFCAConv(4, 6, 3, 2)).eval(), image(4)
    features = module.field.norm(module.field.features(x)).relu()
    rows, columns = features.shape[2:]
    apart = features.reshape(2, 4, 3, 3, rows, columns)
    by_row = apart.mean((3, 5)).transpose(2, 3).reshape(2, 4, 3 * rows)
    by_column = apart.mean((2, 4)).transpose(2, 3).reshape(2, 4, 3 * columns)
    gate = module.gate
    hidden = nn.functional.hardswish(gate.norm(gate.reduce(torch.cat((by_row, by_column), 2)[..., None])))
    gate_h = gate.expand_h(hidden[:, :, : 3 * rows]).sigmoid().reshape(2, 4, rows, 3)
    gate_w = gate.expand_w(hidden[:, :, 3 * rows :]).sigmoid().reshape(2, 4, columns, 3)
    gated = torch.einsum("bcijhw,bchi,bcwj->bcijhw", apart, gate_h, gate_w)
    expected = torch.einsum("ocij,bcijhw->bohw", module.project.weight, gated) + module.project.bias[:, None, None]
    torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-12)


def test_without_gate_weights_the_features_are_quartered(randomise, image) -> None:
    module, x = randomise(RFCAConv(4, 6)).eval(), image(4)
    for layer in (module.gate.expand_h, module.gate.expand_w):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    torch.testing.assert_close(module(x), module.project(module.field(x) / 4))


def test_published_resnet18(resnet18) -> None:
    assert resnet18(cost).params == 11_887_936


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ShapeError, "^rfcaconv got in_channels=0, expected at least 1$"),
        ({"out_channels": 0}, ShapeError, "^rfcaconv got out_channels=0, expected at least 1$"),
        ({"reduction": 0}, ShapeError, "^rfcaconv got reduction=0, expected at least 1$"),
        ({"stride": (1, 2)}, ShapeError, r"^rfcaconv got stride=\(1, 2\), expected equal numbers"),
        ({"groups": 2}, ConfigError, "^rfcaconv got groups=2, expected 1"),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RFCAConv(**{"in_channels": 4, "out_channels": 4, **arguments})
