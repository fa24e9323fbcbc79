import pytest
import torch

from visattn import zoo
from visattn.core.errors import ConfigError
from visattn.layers.channel.eca import ECA
from visattn.layers.channel.fcanet import FcaNet
from visattn.layers.channel.ge import GE
from visattn.layers.channel.se import SE
from visattn.layers.channel.spa import SPA


def modules(id, kind, **options):
    with torch.device("meta"):
        return {path: m for path, m in zoo.create(id, **options).named_modules() if isinstance(m, kind)}


def test_se_is_on_the_last_norm_of_every_block():
    paths = list(modules("se_resnet50_v1", SE))
    assert len(paths) == 16
    assert all(path.endswith("bn3.visattn") for path in paths)


@pytest.mark.parametrize(
    ("id", "kernels", "blocks"),
    [
        ("eca_resnet50_k3557", (3, 5, 5, 7), (3, 4, 6, 3)),
        ("eca_resnet50_formula", (5, 5, 5, 7), (3, 4, 6, 3)),
        ("eca_resnet101_k3357", (3, 3, 5, 7), (3, 4, 23, 3)),
    ],
)
def test_kernels_of_eca_per_stage(id, kernels, blocks):
    found = [gate.conv.kernel_size[0] for gate in modules(id, ECA).values()]
    assert found == [k for k, count in zip(kernels, blocks, strict=True) for _ in range(count)]


def test_an_option_takes_the_place_of_a_published_one():
    assert {gate.conv.kernel_size for gate in modules("eca_resnet50_k3557", ECA, kernel_size=9).values()} == {(9,)}
    assert {gate.size for gate in modules("fca_resnet34", FcaNet, size=7).values()} == {(7, 7)}
    assert {gate.variant for gate in modules("spa_c_preact_resnet18_cifar100", SPA, reduction=8).values()} == {"c"}


def test_frequencies_are_as_large_as_the_features():
    assert [gate.size[0] for gate in modules("fca_resnet34", FcaNet).values()] == [56] * 3 + [28] * 4 + [14] * 6 + [
        7
    ] * 3


def test_the_global_gather_is_as_large_as_the_features():
    sizes = {gate.size for gate in modules("ge_resnet50_theta_global", GE).values()}
    assert sizes == {(56, 56), (28, 28), (14, 14), (7, 7)}


@pytest.mark.parametrize("variant", ["a", "b", "c"])
def test_networks_with_pyramids_run(variant):
    net = zoo.create(f"spa_{variant}_preact_resnet18_cifar100", num_classes=7).eval()
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    "id", ["se_resnet50_v1", "eca_resnet50_k3557", "fca_resnet34", "spa_b_preact_resnet18_cifar100"]
)
def test_an_option_without_meaning_is_refused(id):
    with pytest.raises(ConfigError, match="wheels"):
        modules(id, SE, wheels=4)
