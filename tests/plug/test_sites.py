import pytest
import timm
import torch
from torch import nn

from visattn.core import ConfigError, PlugError, Role
from visattn.plug import Site, find_sites


def paths(model, example, role, where=None):
    return [site.path for site in find_sites(model, example, role=role, where=where)]


RESNET18 = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
RESNET50 = [f"layer{stage}.{block}" for stage, blocks in ((1, 3), (2, 4), (3, 6), (4, 3)) for block in range(blocks)]
SHUFFLENET = [f"stage{stage}.{block}" for stage, blocks in ((2, 4), (3, 8), (4, 4)) for block in range(blocks)]
TIMM_MOBILENET = [f"blocks.{s}.{b}" for s, blocks in enumerate((0, 2, 3, 4, 3, 3, 1)) for b in range(blocks)]

BLOCK_ENDS = {
    "plain": ["1.norm2", "2.norm2"],
    "torchvision resnet18": [f"{b}.bn2" for b in RESNET18],
    "torchvision resnet50": [f"{b}.bn3" for b in RESNET50],
    # the first block has no expansion, so its last norm comes one earlier; it adds nothing but is of the class
    "torchvision mobilenet_v2": ["features.1.conv.2", *(f"features.{i}.conv.3" for i in range(2, 18))],
    "torchvision shufflenet": [f"{b}.branch2.7" for b in SHUFFLENET],
    "timm resnet18": [f"{b}.bn2" for b in RESNET18],
    "timm resnet50": [f"{b}.bn3" for b in RESNET50],
    # the first block has a class of its own, which adds nothing anywhere
    "timm mobilenetv2": [f"{b}.bn3" for b in TIMM_MOBILENET],
}
CONVOLUTIONS = {
    "plain": ["1.conv1", "2.conv1"],
    "torchvision resnet18": [f"{b}.conv1" for b in RESNET18],
    "torchvision resnet50": [f"{b}.conv2" for b in RESNET50],
    "torchvision mobilenet_v2": [
        "features.1.conv.1",
        *(f"features.{i}.conv.{n}" for i in range(2, 18) for n in ("0.0", "2")),
    ],
    "torchvision shufflenet": [f"{b}.branch2.{n}" for b in SHUFFLENET for n in (0, 5)],
    "timm resnet18": [f"{b}.conv1" for b in RESNET18],
    "timm resnet50": [f"{b}.conv2" for b in RESNET50],
    "timm mobilenetv2": [f"{b}.{n}" for b in TIMM_MOBILENET for n in ("conv_pw", "conv_pwl")],
}


class TestPublishedPlaces:
    def test_gates_go_to_the_end_of_every_residual_branch(self, any_model, example):
        name, model = any_model
        assert paths(model, example, "gate") == BLOCK_ENDS[name]

    def test_convolutions_go_to_the_first_dense_one(self, any_model, example):
        name, model = any_model
        assert paths(model, example, "conv") == CONVOLUTIONS[name]

    def test_gates_of_the_network_itself_are_no_place_for_a_convolution(self, example):
        model = timm.create_model("regnety_002", pretrained=False)
        first = paths(model, example, "conv")[:2]
        assert first == ["s1.b1.conv1.conv", "s1.b1.conv3.conv"]

    def test_facts(self, built, example):
        site = find_sites(built("torchvision resnet18"), example, role="gate")[2]
        assert site == Site(
            path="layer2.0.bn2",
            role=Role.GATE,
            block="layer2.0",
            in_channels=128,
            channels=128,
            height=8,
            width=8,
        )
        assert site.kernel_size is None
        conv = find_sites(built("torchvision resnet18"), example, role="conv")[2]
        assert (conv.in_channels, conv.channels, conv.height, conv.width) == (64, 128, 16, 16)
        assert conv.kernel_size == 3
        assert conv.conv == {
            "in_channels": 64,
            "out_channels": 128,
            "kernel_size": 3,
            "stride": 2,
            "padding": 1,
            "dilation": 1,
            "groups": 1,
            "bias": False,
        }

    def test_dtype_of_the_site(self, plain, example):
        assert find_sites(plain.double(), example.double(), role="gate")[0].dtype == torch.float64


class Residual(nn.Module):
    """`x + end(conv(x))`, or `end(conv(x))` alone."""

    def __init__(self, end=None, shortcut=None, add=True):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.end = nn.Identity() if end is None else end
        self.shortcut = shortcut or nn.Identity()
        self.add = add

    def forward(self, x):
        features = self.end(self.conv(x))
        return self.shortcut(x) + features if self.add else features


class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.act = nn.ReLU()

    def forward(self, x):
        return x + self.act(self.conv(self.act(x)))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return x + 2 * self.conv(x)


class Empty(nn.Sequential):
    """A container whose own forward makes the tensor."""

    def forward(self, x):
        return x * 2


class OwnConv2d(nn.Conv2d):
    """What a library may make of a convolution."""


class LastAxis(nn.Module):
    """A block on (B, H, W, C)."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        return (x + self.linear(x)).permute(0, 3, 1, 2)


SMALL = torch.ones(2, 3, 6, 8)


class TestRules:
    def test_an_identity_after_a_norm_is_passed_over(self):
        assert paths(Residual(nn.Sequential(nn.BatchNorm2d(3), nn.Identity())), SMALL, "gate") == ["end.0"]

    def test_an_identity_can_carry_the_result_of_a_function(self):
        class Scaled(Residual):
            def forward(self, x):
                return x + self.end(2 * self.conv(x))

        assert paths(Scaled(), SMALL, "gate") == ["end"]

    def test_a_block_of_the_class_that_adds_nothing_is_gated_at_its_output(self):
        model = nn.Sequential(Residual(), Residual(nn.BatchNorm2d(3), add=False))
        assert paths(model, SMALL, "gate") == ["0.conv", "1.end"]

    def test_every_branch_of_a_block(self):
        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.first = nn.Conv2d(3, 3, 1)
                self.second = nn.Conv2d(3, 3, 1)

            def forward(self, x):
                x = x + self.first(x)
                return x + self.second(x)

        assert paths(Two(), SMALL, "gate") == ["first", "second"]

    def test_the_end_is_a_branch_where_the_closing_activation_is_in_place(self):
        model = nn.Sequential(Residual(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(inplace=True))))
        assert paths(model, SMALL, "gate") == ["0.end.1"]


class TestRefusals:
    def test_two_branches_of_equal_depth(self):
        model = nn.Sequential(Residual(), Residual(shortcut=nn.Conv2d(3, 3, 1)))
        with pytest.raises(PlugError, match=r"1 adds two branches of equally many layers.*pass where="):
            find_sites(model, SMALL, role="gate")

    def test_a_network_without_residual_branch(self):
        with pytest.raises(PlugError, match=r"adds no residual branch of shape .*such as 0, 1"):
            find_sites(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), SMALL, role="gate")

    def test_a_branch_that_ends_in_a_function(self):
        with pytest.raises(PlugError, match="branch of 0 has no module at its end: it ends in the result of a func"):
            find_sites(nn.Sequential(Functional()), SMALL, role="gate")

    def test_a_module_that_is_called_twice(self):
        with pytest.raises(PlugError, match="branch of the model has no module at its end: act is called 2 times"):
            find_sites(Doubled(), SMALL, role="gate")

    def test_a_container(self):
        with pytest.raises(PlugError, match="end would run what is registered in it"):
            find_sites(Residual(Empty()), SMALL, role="gate")

    def test_channels_in_the_last_axis(self):
        with pytest.raises(PlugError, match=r"linear returns \(B, H, W, C\) with 3 channels, expected \(B, C, H, W\)"):
            find_sites(LastAxis(), SMALL, role="gate")

    def test_no_dense_convolution(self):
        model = Residual()
        model.conv = nn.Conv2d(3, 3, 3, padding=1, groups=3)
        with pytest.raises(PlugError, match="branch of the model has no dense convolution: its layers are conv"):
            find_sites(model, SMALL, role="conv")

    @pytest.mark.parametrize(
        "conv",
        [nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), OwnConv2d(3, 3, 3, padding=1)],
        ids=["padding mode", "subclass"],
    )
    def test_another_kind_of_convolution(self, conv):
        model = Residual()
        model.conv = conv
        with pytest.raises(PlugError, match=r"expected a plain nn.Conv2d that pads with zeros"):
            find_sites(model, SMALL, role="conv")

    def test_a_convolution_that_is_called_twice(self):
        class Twice(Residual):
            def forward(self, x):
                return x + self.conv(self.conv(x))

        with pytest.raises(PlugError, match="conv is called 2 times, expected once"):
            find_sites(Twice(), SMALL, role="conv")

    @pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
    def test_different_padding_on_two_sides(self):
        model = Residual()
        model.conv = nn.Conv2d(3, 3, (3, 4), padding="same")
        with pytest.raises(PlugError, match=r"whose two sides have different padding.*leave it out"):
            find_sites(model, SMALL, role="conv")

    def test_unknown_role(self):
        with pytest.raises(ConfigError, match="unknown role 'gates': expected one of gate, conv"):
            find_sites(nn.Identity(), SMALL, role="gates")

    @pytest.mark.parametrize("role", ["head", "sequence"])
    def test_roles_without_a_place(self, role):
        with pytest.raises(PlugError, match=f"a {role} mechanism has no place of its own.*visattn.create"):
            find_sites(nn.Identity(), SMALL, role=role)

    def test_the_other_role_s_place(self, plain):
        with pytest.raises(ConfigError, match="where='block_conv' is no place for a gate: expected 'block_end' or p"):
            find_sites(plain, SMALL, role="gate", where="block_conv")


class TestNamedPlaces:
    def test_pattern(self, plain, example):
        sites = find_sites(plain, example, role="conv", where="*.conv?")
        assert [(s.path, s.block) for s in sites] == [
            ("1.conv1", "1"),
            ("1.conv2", "1"),
            ("2.conv1", "2"),
            ("2.conv2", "2"),
        ]

    def test_list_and_a_path_outside_every_block(self, plain, example):
        sites = find_sites(plain, example, role="gate", where=["0", "2.conv*", "2.conv1"])
        assert [(s.path, s.block) for s in sites] == [("0", ""), ("2.conv1", "2"), ("2.conv2", "2")]

    def test_a_gate_after_a_whole_block(self, built, example):
        assert paths(built("torchvision resnet18"), example, "gate", "layer1.0") == ["layer1.0"]

    def test_a_container_stands_for_its_last_module(self, built, example):
        assert paths(built("torchvision resnet18"), example, "gate", "layer1") == ["layer1.1"]

    @pytest.mark.parametrize(("padding", "number"), [("same", (1, 2)), ("valid", 0)])
    def test_padding_in_words(self, padding, number):
        conv = nn.Conv2d(3, 3, (3, 5), padding=padding)
        (site,) = find_sites(nn.Sequential(conv), SMALL, role="conv", where="0")
        assert site.conv["padding"] == number
        assert site.kernel_size == (3, 5)
        rebuilt = nn.Conv2d(**site.conv)
        rebuilt.load_state_dict(conv.state_dict())
        torch.testing.assert_close(rebuilt(SMALL), conv(SMALL))

    def test_no_match(self, plain, example):
        with pytest.raises(PlugError, match=r"no nn.Conv2d matches where='3.conv1': there are 2.conv1, 1.conv1"):
            find_sites(plain, example, role="conv", where=["0", "3.conv1"])
        with pytest.raises(PlugError, match=r"no module matches where='xyz': there are 0, 1, 1.conv1, 1.norm1, \.\.\."):
            find_sites(plain, example, role="gate", where="xyz")

    def test_wrong_shape(self, plain, example):
        with pytest.raises(PlugError, match=r"6 returns shape \(2, 5\), expected \(B, C, H, W\)"):
            find_sites(plain, example, role="gate", where="6")

    def test_not_called(self, plain, example):
        plain[1].extra = nn.Conv2d(3, 3, 1)
        with pytest.raises(PlugError, match=r"1.extra returns no tensor, or is not called"):
            find_sites(plain, example, role="gate", where="1.extra")
        with pytest.raises(PlugError, match=r"1.extra is called 0 times, expected once"):
            find_sites(plain, example, role="conv", where="1.extra")
