import copy
import operator

import pytest
import torch
from torch import nn

from visattn.catalogue import create
from visattn.core import ConfigError
from visattn.plug.trace import evaluating, trace


class Add(nn.Module):
    def forward(self, x, y):
        return x + y


JOINS = {
    "+": operator.add,
    "+ of the shortcut first": lambda x, y: y + x,
    "+=": operator.iadd,
    "torch.add": torch.add,
    "torch.add with keywords": lambda x, y: torch.add(input=x, other=y),
    ".add": torch.Tensor.add,
    ".add_": torch.Tensor.add_,
    "a module": Add(),
}


class TestEvaluating:
    def test_every_module_gets_its_own_mode_back(self):
        model = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
        with evaluating(model):
            assert not any(module.training for module in model.modules())
            assert not torch.is_grad_enabled()
        assert [module.training for module in model.modules()] == [True, True, False]

    def test_modes_come_back_after_an_error(self):
        model = nn.Dropout()
        with pytest.raises(KeyError), evaluating(model):
            raise KeyError
        assert model.training


class TestTrace:
    def test_leaves_the_model_as_it_was(self, plain, example):
        before = copy.deepcopy(plain.state_dict())
        plain[1].eval()
        modes = [module.training for module in plain.modules()]
        traced = trace(plain, example)
        assert [module.training for module in plain.modules()] == modes
        assert all(torch.equal(value, before[key]) for key, value in plain.state_dict().items())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in plain.modules())
        assert torch.equal(traced.output, plain.eval()(example))

    def test_layers_count_from_the_entry_of_the_block(self, plain, example):
        joins = trace(plain, example).joins
        assert [join.block for join in joins] == ["1", "2"]
        assert [len(side.layers) for side in joins[0].sides] == [4, 0]
        assert [side.layers for side in joins[1].sides] == [
            ("2.conv1", "2.norm1", "2.conv2", "2.norm2"),
            ("2.shortcut.0", "2.shortcut.1"),
        ]

    @pytest.mark.parametrize("how", JOINS)
    def test_every_way_to_add(self, plain_joined_by, how, example):
        joins = trace(plain_joined_by(JOINS[how]), example).joins
        found = [(join.block, side.makers[0]) for join in joins for side in join.sides if "norm" in side.makers[0]]
        assert found == [("1", "1.norm2"), ("2", "2.norm2")]

    def test_a_module_that_changes_its_input_in_place_made_the_output(self):
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
        calls = trace(model, torch.ones(1, 3, 2, 2)).calls
        assert calls["0"].output.makers == ("0",)
        assert calls[""].output.makers == ("1", "")

    def test_a_module_that_hands_its_input_on_comes_last(self):
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Identity())
        assert trace(model, torch.ones(1, 3, 2, 2)).calls[""].output.makers == ("0", "", "1")

    def test_a_function_in_place_makes_another_tensor(self):
        class Scaled(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 3, 1)

            def forward(self, x):
                y = self.conv(x)
                y *= 2
                return x + y

        (join,) = trace(Scaled(), torch.ones(1, 3, 2, 2)).joins
        assert join.sides[1].makers == ()
        assert join.sides[1].layers == ("conv",)

    def test_constants_are_no_branch(self):
        class Shifted(nn.Module):
            def __init__(self):
                super().__init__()
                self.shift = nn.Parameter(torch.ones(1, 3, 2, 2))

            def forward(self, x):
                return 1 + x + self.shift

        assert trace(Shifted(), torch.ones(1, 3, 2, 2)).joins == []

    def test_a_concatenation_counts_only_where_it_closes_the_block(self):
        class Dense(nn.Module):
            def __init__(self, after):
                super().__init__()
                self.conv = nn.Conv2d(3, 3, 1)
                self.after = after

            def forward(self, x):
                return self.after(torch.cat([x, self.conv(x)], dim=1))

        example = torch.ones(1, 3, 2, 2)
        assert len(trace(Dense(nn.ReLU()), example).joins) == 1
        assert trace(Dense(nn.BatchNorm2d(6)), example).joins == []

    def test_a_mechanism_is_one_layer(self):
        model = nn.Sequential(nn.Conv2d(3, 16, 1), create("se", 16))
        traced = trace(model, torch.ones(1, 3, 2, 2))
        assert list(traced.modules) == ["", "0", "1"]
        assert traced.calls[""].output.layers == ("0", "1")

    @pytest.mark.parametrize(("name", "blocks"), [("block", ["1.block"]), ("visattn", [])])
    def test_what_an_inserted_module_adds_is_no_branch(self, plain, name, blocks, example):
        around = nn.Sequential()
        around.add_module(name, plain[1])
        traced = trace(nn.Sequential(plain[0], around), example)
        assert [join.block for join in traced.joins] == blocks

    def test_nested_outputs_and_keyword_inputs(self):
        class Several(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 3, 1)

            def forward(self, x):
                return {"out": [self.conv(input=x)]}

        traced = trace(Several(), torch.ones(1, 3, 4, 2))
        assert traced.calls["conv"].input == (1, 3, 4, 2)
        assert traced.calls[""].output is None
        assert traced.output["out"][0].shape == (1, 3, 4, 2)

    def test_refuses_an_example_that_does_not_fit(self, plain):
        with pytest.raises(ConfigError, match=r"does not accept an example of shape \(1, 4, 8, 8\).*pass example="):
            trace(plain, torch.ones(1, 4, 8, 8))
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in plain.modules())
