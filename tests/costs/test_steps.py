import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError
from visattn.costs import steps


class TwoOutputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.aux = nn.Linear(2, 1), nn.Linear(2, 1)

    def forward(self, x):
        return {"out": self.head(x), "more": [self.aux(x)], "class": self.head(x).argmax(1)}


def test_forward_pass_is_in_evaluation_mode_and_builds_no_graph():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(1.0))
    output = steps.forward(model, (torch.ones(1, 2),))()
    assert not model.training
    torch.testing.assert_close(output, model[0](torch.ones(1, 2)))
    assert not output.requires_grad


def test_training_step_reaches_the_parameters_of_every_output():
    model = TwoOutputs()
    reached = []
    for name, parameter in model.named_parameters():
        parameter.register_hook(lambda gradient, name=name: reached.append(name))
    with torch.no_grad():
        steps.training(model.eval(), (torch.ones(3, 2),))()
    assert model.training
    assert sorted(reached) == ["aux.bias", "aux.weight", "head.bias", "head.weight"]
    assert all(p.grad is None for p in model.parameters())


def test_frozen_model_cannot_be_trained():
    model = nn.Linear(2, 1).requires_grad_(False)
    with pytest.raises(ConfigError, match="no output of Linear depends on a parameter that can be trained"):
        steps.training(model, (torch.ones(1, 2),))()


def test_unchanged_gives_back_mode_buffers_and_gradients():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)).eval()
    model[1].train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    gradient = model[1].weight.grad = torch.full((1, 2), 7.0)
    mean = model[0].running_mean
    with steps.unchanged(model):
        steps.training(model, (torch.randn(4, 2) + 3,))()
        model[0].running_var = torch.zeros(2)
        assert model[0].num_batches_tracked == 1
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert [m.training for m in model.modules()] == [False, False, True]
    assert model[1].weight.grad is gradient
    assert gradient.eq(7).all()
    assert model[0].running_mean is mean
    assert model[1].bias.grad is None
