import csv
from pathlib import Path

import pytest
import torch

from visattn import zoo
from visattn.costs import count_macs, count_params
from visattn.zoo.networks import NETWORKS

REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference" / "exact-params.csv"
every_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.id)


def images(network):
    return [torch.zeros(1, *shape, device="meta") for shape in network.inputs]


def rounding(published):
    """Half of the last digit that a published number states; none where it is exact to the unit."""
    digits = str(published)
    return 10 ** (len(digits) - len(digits.rstrip("0"))) // 2


@pytest.fixture(scope="module")
def built():
    models = {}

    def build(network):
        if network.id not in models:
            with torch.device("meta"):
                models[network.id] = network.build()
        return models[network.id]

    return build


@every_network
def test_parameters_are_exact(network, built):
    assert count_params(built(network)) == network.params


@pytest.mark.parametrize("network", [n for n in NETWORKS if n.macs], ids=lambda n: n.id)
def test_macs_are_as_published_or_say_why_not(network, built):
    count = count_macs(built(network), *images(network))
    assert count.uncounted == {}
    if network.counted is not None:
        assert count.total == network.counted
        assert network.why_counted
        assert count.total != network.macs
    else:
        assert abs(count.total - network.macs) <= rounding(network.macs)


def test_only_a_stated_exception_counts_otherwise():
    """The released forms of both are counted in test_convolutions."""
    assert {n.id.partition("_")[0] for n in NETWORKS if n.counted is not None} == {"acmix", "drconv"}


@pytest.mark.parametrize("network", [n for n in NETWORKS if n.macs is None and ":" not in n.id], ids=lambda n: n.id)
def test_classifiers_return_one_number_per_class(network, built):
    classes = 100 if "cifar100" in network.id else 1000
    assert built(network).eval()(*images(network)).shape == (1, classes)


def test_ids_are_unique_and_every_entry_is_complete():
    assert len({n.id for n in NETWORKS}) == len(NETWORKS)
    assert all(n.summary.endswith(".") and n.source and n.params > 0 for n in NETWORKS)


def test_the_table_is_the_reference_table():
    if not REFERENCE.is_file():
        pytest.skip(f"the reference counts are not here: {REFERENCE.name}")
    with REFERENCE.open(encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert {n.id for n in NETWORKS} == set(rows)
    for network in NETWORKS:
        row = rows[network.id]
        assert network.params == int(row["params"]), network.id
        assert network.macs == (int(row["macs"]) if row["macs"] else None), network.id


def test_gates_leave_the_plain_network_whole():
    """What a gate adds carries its own name, so weights of the plain network still fit."""
    with torch.device("meta"):
        plain = zoo.create("resnet50").state_dict()
        for name in (
            "se_resnet50_nobias",
            "eca_resnet50_k3557",
            "cbam_resnet50",
            "bam_resnet50",
            "gc_resnet50_r16_c3c5",
        ):
            gated = zoo.create(name).state_dict()
            assert {k for k in gated if "visattn" not in k} == set(plain), name
