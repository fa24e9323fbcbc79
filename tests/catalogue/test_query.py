import pytest

from visattn.catalogue.query import check_options, create, list_mechanisms, spec
from visattn.catalogue.table import SPECS
from visattn.core.errors import ConfigError, UnknownNameError
from visattn.core.spec import Role
from visattn.layers.channel.se import SE


def test_list_is_sorted_and_whole() -> None:
    assert list_mechanisms() == sorted(s.name for s in SPECS)


def test_role_and_family_narrow_the_list() -> None:
    gates = list_mechanisms(role=Role.GATE)
    assert gates == list_mechanisms(role="gate")
    assert gates == [n for n in list_mechanisms() if spec(n).role is Role.GATE]
    assert set(list_mechanisms(role="gate", family="channel")) == {n for n in gates if spec(n).family == "channel"}
    assert list_mechanisms(family="no such family") == []


def test_unknown_role() -> None:
    with pytest.raises(ConfigError, match="unknown role 'gates': expected one of gate, conv, head, sequence"):
        list_mechanisms(role="gates")


def test_spec_of_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown mechanism 'cbma': did you mean 'cbam'.* See visattn list"):
        spec("cbma")


def test_create_passes_options() -> None:
    module = create("se", 64, reduction=8)
    assert isinstance(module, SE)
    assert module.reduce.out_features == 8
    assert create("se", channels=64).reduce.out_features == 4


def test_create_of_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="unknown mechanism 'see': did you mean 'se'"):
        create("see", 64)


def test_create_with_the_wrong_number_of_arguments() -> None:
    with pytest.raises(ConfigError, match=r"se cannot be built: .*positional argument.*: see visattn show se"):
        create("se", 64, 16)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("reductoin", "se has no option 'reductoin': did you mean 'reduction'"),
        ("zzz", "se has no option 'zzz': it has bias, reduction, squeeze"),
    ],
)
def test_unknown_option(option: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options(spec("se"), {option: 1})


def test_shape_arguments_are_no_unknown_options() -> None:
    check_options(spec("se"), {"channels": 64, "reduction": 8})


def test_a_mechanism_for_one_input_size_takes_it() -> None:
    assert create("local_conv", 4, 6, height=5, width=7).size == (5, 7)
    with pytest.raises(ConfigError, match="se has no option 'height'"):
        create("se", 64, height=5)
