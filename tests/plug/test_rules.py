import copy
import dataclasses

import pytest
import torch
from torch import nn

from visattn.catalogue import spec
from visattn.core import ConfigError, PlugError, Role
from visattn.plug.rules import Blend, Mechanism, choose, plan
from visattn.plug.sites import find_sites, placeable

X = torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))


def gate_site(host):
    (site,) = find_sites(nn.Sequential(host), X, role="gate", where="0")
    return site


def conv_site(conv):
    (site,) = find_sites(nn.Sequential(conv), X, role="conv", where="0")
    return site


class TestBlend:
    def test_alpha_fades_from_input_to_mechanism(self):
        blend = Blend(nn.Sigmoid())
        assert torch.equal(blend(X), X)
        nn.init.ones_(blend.alpha)
        torch.testing.assert_close(blend(X), X.sigmoid())
        nn.init.constant_(blend.alpha, 0.25)
        torch.testing.assert_close(blend(X), 0.75 * X + 0.25 * X.sigmoid())

    def test_beside_a_convolution(self):
        conv, own = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        blend = Blend(own)
        assert torch.equal(blend(X, conv(X)), conv(X))
        nn.init.ones_(blend.alpha)
        torch.testing.assert_close(blend(X, conv(X)), own(X))


class TestChoose:
    def test_catalogue(self):
        chosen = choose("se", None, {"reduction": 2})
        assert (chosen.name, chosen.role) == ("se", Role.GATE)
        assert chosen.build(gate_site(nn.Conv2d(3, 8, 1))).reduce.out_features == 4

    def test_a_mechanism_for_one_input_size_gets_the_size_of_the_site(self):
        chosen = choose("local_conv", None, {})
        assert chosen.build(conv_site(nn.Conv2d(3, 8, 3, padding=1))).size == (6, 8)
        with pytest.raises(ConfigError, match="height of local_conv is given by each site: leave it out"):
            choose("local_conv", None, {"height": 6})

    def test_factory(self):
        def doubled(site):
            return nn.Identity()

        assert choose(doubled, "conv", {}) == Mechanism("doubled", Role.CONV, doubled, None)

    def test_refusals(self):
        with pytest.raises(ConfigError, match="se has no option 'reductoin': did you mean 'reduction'"):
            choose("se", None, {"reductoin": 2})
        with pytest.raises(ConfigError, match="channels of se is given by each site: leave it out"):
            choose("se", None, {"channels": 2})
        with pytest.raises(ConfigError, match="se is a gate, got role='conv': leave role out"):
            choose("se", "conv", {})
        with pytest.raises(ConfigError, match="the factory Identity came without a role: pass role='gate' or"):
            choose(nn.Identity, None, {})
        with pytest.raises(ConfigError, match="the factory Identity takes no options, got reduction: bind"):
            choose(nn.Identity, "gate", {"reduction": 2})
        with pytest.raises(ConfigError, match="unknown role 'gates'"):
            choose(nn.Identity, "gates", {})

    @pytest.mark.parametrize("role", [Role.HEAD, Role.SEQUENCE])
    def test_roles_without_a_place(self, role, monkeypatch):
        monkeypatch.setattr("visattn.plug.rules.spec", lambda name: dataclasses.replace(spec("se"), role=role))
        with pytest.raises(PlugError, match=f"a {role} mechanism has no place of its own"):
            choose("se", None, {})
        with pytest.raises(PlugError, match="no place of its own"):
            placeable(role)


class Trained(nn.Module):
    """The identity in evaluation mode only."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(x) if self.training else x


def gate(build, **facts):
    return Mechanism("own", Role.GATE, build, dataclasses.replace(spec("se"), **facts))


class TestGate:
    def test_published(self):
        host = nn.Conv2d(3, 4, 1)
        assert plan(gate_site(host), host, choose("se", None, {}), False).how == "gate"

    def test_a_claim_of_identity_is_measured(self):
        host = nn.Conv2d(3, 3, 1)
        forms = {
            build: plan(
                gate_site(host), host, gate(lambda site, build=build: build(), starts_as_identity=True), True
            ).how
            for build in (nn.Identity, nn.Sigmoid, Trained)
        }
        assert forms == {
            nn.Identity: "identity by initialisation",
            nn.Sigmoid: "gate blend",
            Trained: "gate blend",
        }

    def test_the_measurement_changes_no_statistics(self):
        host = nn.Conv2d(3, 3, 1)
        module = plan(gate_site(host), host, gate(lambda site: Trained(), starts_as_identity=True), True).module
        assert module.mechanism.norm.num_batches_tracked == 0

    def test_the_measurement_takes_no_random_numbers(self):
        host = nn.Conv2d(3, 3, 1)
        before = torch.get_rng_state()
        plan(gate_site(host), host, choose(lambda site: nn.Dropout(), "gate", {}), True)
        assert torch.equal(torch.get_rng_state(), before)

    def test_last_bits_are_a_control_s_alone(self):
        class Bits(nn.Module):
            def forward(self, x):
                return x * (1 + 2**-20)

        host = nn.Conv2d(3, 3, 1)
        site = gate_site(host)
        assert plan(site, host, choose(lambda site: Bits(), "gate", {}), True).how == "identity by initialisation"
        assert plan(site, host, gate(lambda site: Bits(), starts_as_identity=True), True).how == "gate blend"
        assert plan(site, host, choose(lambda site: nn.Sigmoid(), "gate", {}), True).how == "gate blend"


class Copied(nn.Module):
    """A convolution mechanism that can be set from a convolution."""

    def __init__(self, in_channels, out_channels, kernel_size, scale=1.0, **others):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, **others)
        self.scale = scale

    def forward(self, x):
        return self.conv(x) * self.scale

    def copy(self, conv):
        self.conv.load_state_dict(conv.state_dict())


def conv_mechanism(monkeypatch, **options):
    known = dataclasses.replace(
        spec("se"), name="copied", role=Role.CONV, build=Copied, from_conv=Copied.copy, options={"scale": "factor"}
    )
    monkeypatch.setattr("visattn.plug.rules.spec", lambda name: known)
    return choose("copied", None, options)


class TestConvolution:
    conv = nn.Conv2d(3, 4, (3, 1), stride=(2, 1), padding="valid", dilation=(1, 2))

    def test_set_from_the_weights_of_the_replaced_one(self, monkeypatch):
        made = plan(conv_site(self.conv), self.conv, conv_mechanism(monkeypatch), True)
        assert made.how == "replaced from weights"
        assert torch.equal(made.module(X), self.conv(X))
        assert made.module.conv.stride == (2, 1)

    def test_a_form_that_is_not_the_convolution_is_blended(self, monkeypatch):
        made = plan(conv_site(self.conv), self.conv, conv_mechanism(monkeypatch, scale=1.01), True)
        assert made.how == "conv blend"

    @pytest.mark.parametrize(("scale", "how"), [(1.0, "replaced from weights"), (1.01, "conv blend")])
    def test_narrow_types(self, monkeypatch, scale, how):
        conv = copy.deepcopy(self.conv).bfloat16()
        (site,) = find_sites(nn.Sequential(conv), X.bfloat16(), role="conv", where="0")
        made = plan(site, conv, conv_mechanism(monkeypatch, scale=scale), True)
        assert made.how == how
        assert {p.dtype for p in made.module.parameters()} == {torch.bfloat16}

    def test_published(self, monkeypatch):
        made = plan(conv_site(self.conv), self.conv, conv_mechanism(monkeypatch), False)
        assert made.how == "replaced"
        assert not torch.equal(made.module.conv.weight, self.conv.weight)


class TestRefusals:
    @pytest.mark.parametrize(
        ("factory", "reason"),
        [
            (lambda site: 3, "the factory returned int, expected an nn.Module"),
            (lambda site: nn.MaxPool2d(2), r"it returns \(4, 3, 4\), expected \(4, 6, 8\) as \(C, H, W\)"),
            (lambda site: nn.AdaptiveMaxPool2d(1, return_indices=True), "it returns a tuple, expected a tensor"),
            (lambda site: nn.ReLU(inplace=True), "it changes its input in place: let it return a new tensor"),
            (lambda site: nn.Conv2d(9, 9, 1), "expected input"),
            (lambda site: nn.Conv2d(9), "missing 2 required positional arguments"),
            (lambda site: nn.ReflectionPad2d(99), "[Pp]adding"),
        ],
    )
    def test_the_site_and_the_reason_are_named(self, factory, reason):
        host = nn.Conv2d(3, 4, 1)
        with pytest.raises(PlugError, match=rf"<lambda> does not fit at 0 \(4→4 channels, 6×8\): .*{reason}"):
            plan(gate_site(host), host, choose(factory, "gate", {}), True)

    def test_a_mechanism_s_own_reason(self):
        host = nn.Conv2d(3, 4, 1)
        with pytest.raises(PlugError, match=r"se does not fit at 0 .*got reduction=0, expected at least 1: pass other"):
            plan(gate_site(host), host, choose("se", None, {"reduction": 0}), True)
