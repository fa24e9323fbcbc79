import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError
from visattn.explanations.hooks import recording


def test_gradient_is_that_of_the_output_before_an_operation_in_place():
    layer = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(layer.weight, -2.0)
    model = nn.Sequential(layer, nn.LeakyReLU(0.5, inplace=True))
    with recording(layer, "0") as record:
        score = model(torch.ones(1, 1, 2, 2)).sum()
    torch.testing.assert_close(record.activations.detach(), torch.full((1, 1, 2, 2), -2.0))
    torch.testing.assert_close(record.gradients(score), torch.full((1, 1, 2, 2), 0.5))


def test_latest_of_several_calls_counts():
    layer = nn.Conv2d(1, 1, 1)
    with recording(layer, "layer") as record:
        score = 3 * layer(layer(torch.ones(1, 1, 2, 2))).sum()
    assert record.gradients(score).unique().item() == 3


def test_output_of_a_plugged_layer_is_the_plugged_one():
    layer = nn.Conv2d(1, 1, 1)
    layer.register_forward_hook(lambda module, inputs, output: torch.full_like(output, 5.0))
    with recording(layer, "layer") as record:
        layer(torch.ones(1, 1, 2, 2))
    assert record.activations.unique().item() == 5


def test_hook_is_removed_after_an_error():
    layer = nn.Conv2d(1, 1, 1)
    with pytest.raises(KeyError, match="inside"), recording(layer, "layer"):
        raise KeyError("inside")
    assert not layer._forward_hooks


def test_layer_that_is_not_called_is_told():
    with recording(nn.Conv2d(1, 1, 1), "aux") as record, pytest.raises(ConfigError, match="'aux' was not called"):
        record.gradients(torch.ones((), requires_grad=True))


@pytest.mark.parametrize(
    ("layer", "got"),
    [(nn.Flatten(), r"\(1, 4\)"), (nn.MultiheadAttention(2, 1), "tuple")],
    ids=["vector", "tuple"],
)
def test_layer_without_maps_is_told(layer, got):
    with recording(layer, "head") as record:
        layer(*[torch.ones(1, 2, 2)] * (3 if got == "tuple" else 1))
    with pytest.raises(ConfigError, match=rf"'head' returned {got}, expected \(B, C, H, W\)"):
        _ = record.activations


@pytest.mark.parametrize("score", [torch.ones(()), torch.ones((), requires_grad=True)], ids=["constant", "unrelated"])
def test_score_that_does_not_depend_on_the_layer_is_told(score):
    layer = nn.Conv2d(1, 1, 1)
    with recording(layer, "side") as record:
        layer(torch.ones(1, 1, 2, 2))
    with pytest.raises(ConfigError, match="the output does not depend on layer 'side'"):
        record.gradients(score)
