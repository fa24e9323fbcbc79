import pytest
import torch

from visattn import zoo
from visattn.core.errors import ConfigError, UnknownNameError


def test_networks_are_listed_and_built_by_id():
    assert zoo.list_networks()[0] == "resnet18"
    assert zoo.create("resnet18", num_classes=4)(torch.zeros(1, 3, 64, 64)).shape == (1, 4)


def test_facts_of_one_network():
    known = zoo.network("rfaconv_resnet18")
    assert known.params == 11_850_408
    assert "rfaconv" in known.summary


@pytest.mark.parametrize("ask", [zoo.create, zoo.network])
def test_unknown_id_names_the_nearest(ask):
    with pytest.raises(UnknownNameError, match=r"unknown network 'cbam_resnet5O': did you mean 'cbam_resnet50'"):
        ask("cbam_resnet5O")


@pytest.mark.parametrize("id", ["resnet18", "resattnet56", "drconv_shufflenetv2_x0_5", "block:ocr", "cbam_resnet18"])
def test_options_without_meaning_are_refused(id):
    with torch.device("meta"), pytest.raises(ConfigError, match="wheels"):
        zoo.create(id, wheels=4)


def test_options_of_the_insertion_itself_are_refused():
    with pytest.raises(ConfigError, match="cbam_resnet18 cannot be built with where"):
        zoo.create("cbam_resnet18", where="layer1")


def test_equal_seeds_give_equal_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        states.append(zoo.create("cbam_resnet18").state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
