import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from visattn.core import ConfigError, PlugError, Role, ShapeError
from visattn.plug import NoOp, PointwiseControl, Site, no_op, plug_, pointwise_control

X = torch.randn(2, 16, 5, 7, generator=torch.Generator().manual_seed(0))


class TestNoOp:
    def test_only_last_bits_change(self):
        y = NoOp()(X)
        assert not torch.equal(y, X)
        torch.testing.assert_close(y, X, rtol=2**-19, atol=0)

    def test_is_exact_in_half_precision(self):
        assert torch.equal(NoOp()(X.bfloat16()), X.bfloat16())

    def test_nothing_is_added(self, plain, example):
        keys = list(plain.state_dict())
        receipt = plug_(plain, no_op, role="gate", example=example)
        assert list(plain.state_dict()) == keys
        assert (receipt.params_added, receipt.macs_after) == (0, receipt.macs_before)
        assert {site.how for site in receipt.sites} == {"identity by initialisation"}
        assert 0 < receipt.max_difference < 1e-4


class TestPointwiseControl:
    @given(channels=st.integers(1, 40), params=st.integers(1, 5000))
    def test_parameters(self, channels, params):
        control = PointwiseControl(channels, params)
        assert control.params == sum(p.numel() for p in control.parameters())
        assert abs(control.params - params) <= channels

    @pytest.mark.parametrize("params", [3, 23, 24, 580])
    def test_starts_as_identity_and_learns(self, params):
        control = PointwiseControl(16, params)
        assert torch.equal(control(X), X)
        optimiser = torch.optim.SGD(control.parameters(), lr=0.1)
        for _ in range(2):
            optimiser.zero_grad()
            control(X).square().sum().backward()
            optimiser.step()
        assert all(p.grad.any() for p in control.parameters())
        assert not torch.equal(control(X), X)

    @pytest.mark.parametrize(("channels", "params", "bad"), [(0, 5, "channels=0"), (4, 0, "params=0")])
    def test_refusals(self, channels, params, bad):
        with pytest.raises(ShapeError, match=f"pointwise control got {bad}, expected at least 1"):
            PointwiseControl(channels, params)


class TestPointwiseFactory:
    def test_matches_a_mechanism_site_by_site(self, plain, example):
        twin = copy.deepcopy(plain)
        receipt = plug_(plain, "se", reduction=2, example=example)
        wanted = {site.path: site.params for site in receipt.sites}
        control = plug_(twin, pointwise_control(wanted), role="gate", example=example)
        assert {site.how for site in control.sites} == {"identity by initialisation"}
        assert control.max_difference == control.max_difference_training == 0
        for site in control.sites:
            assert abs(site.params - wanted[site.path]) <= twin.get_submodule(site.path).num_features

    def test_as_a_gate_on_the_output_of_convolutions(self, plain, example):
        receipt = plug_(plain, pointwise_control(600), role="gate", where=["1.conv1", "2.conv1"], example=example)
        assert [(site.path, site.params) for site in receipt.sites] == [("1.conv1", 608), ("2.conv1", 576)]
        assert isinstance(plain[1].conv1, nn.Conv2d)

    def test_a_site_without_a_number(self, plain, example):
        site = Site(path="a", role=Role.GATE, block="", in_channels=4, channels=4, height=2, width=2)
        with pytest.raises(ConfigError, match="no number of parameters for a: pass one, or an int for every site"):
            pointwise_control({})(site)
        with pytest.raises(PlugError, match=r"pointwise does not fit at 2\.norm2 .*no number of parameters"):
            plug_(plain, pointwise_control({"1.norm2": 4}), role="gate", example=example)
