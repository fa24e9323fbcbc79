import copy

import pytest
import torch
from torch import nn

from visattn.catalogue import list_mechanisms, spec
from visattn.core import ConfigError, PlugError, UnknownNameError
from visattn.plug import NoOp, plug_
from visattn.plug.rules import Blend

GATES = list_mechanisms(role="gate")
CONVS = list_mechanisms(role="conv")


def conv_factory(site):
    """A convolution with weights of its own."""
    return nn.Conv2d(**site.conv)


def wrapped_conv(site):
    return nn.Sequential(nn.Conv2d(**site.conv))


class TestIdentity:
    def test_a_gate_changes_no_bit_of_any_network_and_comes_out_again(
        self, any_model, example, assert_same_function, fingerprint
    ):
        _, plain = any_model
        model = copy.deepcopy(plain)
        before = fingerprint(model)
        receipt = plug_(model, "se", example=example)
        assert receipt.max_difference == receipt.max_difference_training == 0
        assert_same_function(model, plain, example)
        kept = model.state_dict()
        assert all(torch.equal(kept[key], value) for key, value in plain.state_dict().items())
        assert receipt.tensors_kept == receipt.tensors_total == len(plain.state_dict())
        receipt.undo()
        assert fingerprint(model) == before

    @pytest.mark.parametrize("name", GATES)
    def test_no_gate_changes_a_bit(self, plain, name, example, assert_same_function):
        model = copy.deepcopy(plain)
        receipt = plug_(model, name, example=example)
        forms = {"identity by initialisation", "gate blend"} if spec(name).starts_as_identity else {"gate blend"}
        assert {site.how for site in receipt.sites} <= forms
        assert receipt.max_difference == receipt.max_difference_training == 0
        assert_same_function(model, plain, example)

    @pytest.mark.parametrize("name", GATES)
    def test_gradients_reach_alpha_and_then_the_mechanism(self, plain, name, example):
        plug_(plain, name, example=example)
        optimiser = torch.optim.SGD(plain.parameters(), lr=0.1)
        carried = [m for path, m in plain.named_modules() if path.endswith(".visattn")]
        plain(example).square().sum().backward()
        for blend in (m for m in carried if isinstance(m, Blend)):
            assert blend.alpha.grad.abs() > 0
            assert not any(p.grad.any() for p in blend.mechanism.parameters())
        optimiser.step()
        optimiser.zero_grad()
        plain(example).square().sum().backward()
        for module in carried:
            inside = module.mechanism if isinstance(module, Blend) else module
            assert any(p.grad.any() for p in inside.parameters())

    @pytest.mark.parametrize("name", CONVS)
    def test_a_convolution_starts_as_the_one_it_replaces(self, plain, name, example, run):
        plain = plain.double()
        model = copy.deepcopy(plain)
        receipt = plug_(model, name, example=example.double())
        assert {site.how for site in receipt.sites} <= {"replaced from weights", "conv blend"}
        for training in (False, True):
            want = run(plain, example.double(), training)
            error = (run(model, example.double(), training) - want).abs().max()
            # in float64 rounding through ten layers stays far below this, and a wrong weight does not
            assert error <= 1e-9 * want.abs().max()

    def test_a_convolution_is_blended_in_exactly(self, plain, example, assert_same_function):
        model = copy.deepcopy(plain)
        receipt = plug_(model, conv_factory, role="conv", example=example)
        assert [(s.path, s.how) for s in receipt.sites] == [("1.conv1", "conv blend"), ("2.conv1", "conv blend")]
        assert receipt.tensors_kept == receipt.tensors_total
        assert_same_function(model, plain, example)
        model(example).sum().backward()
        assert model[2].conv1.visattn.alpha.grad.abs() > 0


class TestPublished:
    @pytest.mark.parametrize("name", GATES)
    def test_a_gate_acts_at_once(self, plain, name, example):
        model = copy.deepcopy(plain)
        receipt = plug_(model, name, identity=False, example=example)
        assert {site.how for site in receipt.sites} == {"gate"}
        assert (receipt.max_difference == 0) == spec(name).starts_as_identity
        assert type(model[1].norm2.visattn) is spec(name).build

    @pytest.mark.parametrize("name", CONVS)
    def test_a_convolution_is_replaced(self, plain, name, example):
        receipt = plug_(plain, name, identity=False, example=example)
        assert {site.how for site in receipt.sites} == {"replaced"}
        assert isinstance(plain[1].conv1, spec(name).build)
        assert receipt.max_difference > 0

    def test_replaced_keys_go(self, plain, example):
        receipt = plug_(plain, wrapped_conv, role="conv", identity=False, example=example)
        assert (receipt.tensors_total - receipt.tensors_kept, receipt.params_added) == (2, 0)
        assert "1.conv1.weight" not in plain.state_dict()
        assert "1.conv1.0.weight" in plain.state_dict()

    def test_a_module_under_two_names_is_replaced_under_both(self, plain, example):
        plain[1].alias = plain[1].conv1
        receipt = plug_(plain, conv_factory, role="conv", identity=False, where="1.conv1", example=example)
        assert plain[1].alias is plain[1].conv1
        receipt.undo()
        assert plain[1].alias is plain[1].conv1


class Fragile(nn.Module):
    """Fails on one batch size only."""

    def forward(self, x):
        if len(x) == 3:
            raise RuntimeError("three")
        return x


class TestRefusals:
    """None of them leaves a trace."""

    @pytest.fixture(autouse=True)
    def _unchanged(self, plain, fingerprint):
        before = fingerprint(plain)
        yield
        assert fingerprint(plain) == before

    @pytest.mark.parametrize(
        ("example", "got"), [(None, "NoneType"), (torch.ones(0, 3, 8, 8), r"shape \(0, 3, 8, 8\)")]
    )
    def test_no_example(self, plain, example, got):
        with pytest.raises(ConfigError, match=f"plug_ got example={got}: pass an input of the model"):
            plug_(plain, "se", example=example)

    def test_unknown_mechanism(self, plain, example):
        with pytest.raises(UnknownNameError, match="unknown mechanism 'cbma': did you mean 'cbam'"):
            plug_(plain, "cbma", example=example)

    def test_twice_at_one_site(self, plain, example):
        receipt = plug_(plain, "se", example=example)
        for where in (None, "1.norm2"):
            with pytest.raises(PlugError, match=r"1\.norm2 already carries an inserted mechanism: undo that receipt"):
                plug_(plain, "se", where=where, example=example)
        receipt.undo()

    def test_a_site_in_the_middle(self, plain, example):
        def odd(site):
            return nn.Identity() if site.path == "1.norm2" else nn.Conv2d(site.channels, 7, 1)

        where = r"odd does not fit at 2\.norm2 \(32→32 channels, 32×32\): it returns \(7, 32, 32\), expected \(32, 32"
        with pytest.raises(PlugError, match=where):
            plug_(plain, odd, role="gate", example=example)

    def test_a_convolution_that_refuses_the_kernel(self, built, example, fingerprint):
        def only_3x3(site):
            if site.kernel_size != 3:
                raise ConfigError(f"got kernel_size={site.kernel_size}, expected 3")
            return nn.Conv2d(**site.conv)

        model = built("torchvision mobilenet_v2")
        before = fingerprint(model)
        with pytest.raises(PlugError, match=r"only_3x3 does not fit at features\.1\.conv\.1 .*got kernel_size=1, exp"):
            plug_(model, only_3x3, role="conv", example=example)
        assert fingerprint(model) == before

    def test_a_network_that_fails_with_it(self, plain):
        with pytest.raises(RuntimeError, match="three"):
            plug_(plain, lambda site: Fragile(), role="gate", example=torch.ones(3, 3, 16, 16))


class TestMeasured:
    def test_numbers(self, plain, example):
        receipt = plug_(plain, "se", example=example)
        added = [2 * c * max(1, c // 16) + c + max(1, c // 16) + 1 for c in (16, 32)]
        assert [site.params for site in receipt.sites] == added
        assert receipt.params_added == sum(added)
        assert receipt.params_after == sum(p.numel() for p in plain.parameters())
        assert receipt.macs_after - receipt.macs_before == 2 * 16 * 1 + 2 * 32 * 2
        assert receipt.macs_uncounted == {}

    def test_difference(self, plain, example, run):
        before = run(plain, example, False)
        receipt = plug_(plain, "se", identity=False, example=example)
        assert receipt.max_difference == (run(plain, example, False) - before).abs().max()

    def test_training_that_cannot_be_measured(self, example):
        class Evaluated(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 3, 1)

            def forward(self, x):
                if self.training:
                    raise RuntimeError("evaluation only")
                return {"sum": x + self.conv(x)}

        receipt = plug_(Evaluated(), lambda site: NoOp(), role="gate", example=example)
        assert receipt.max_difference_training is None
        assert 0 < receipt.max_difference < 1e-4
