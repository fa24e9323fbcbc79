import copy
import pickle

import pytest

from visattn.core import errors
from visattn.core.errors import ConfigError, ShapeError, UnknownNameError, VisattnError

KINDS = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, VisattnError)]


def test_message_is_problem_and_hint() -> None:
    assert str(VisattnError("size 0 is not positive", hint="pass 32")) == "size 0 is not positive: pass 32"
    assert str(VisattnError("size 0 is not positive")) == "size 0 is not positive"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_pickle_and_copy(kind: type[VisattnError]) -> None:
    error = kind("the problem", hint="the hint")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert (twin.problem, twin.hint, str(twin)) == ("the problem", "the hint", "the problem: the hint")


@pytest.mark.parametrize(
    ("kind", "builtin"), [(UnknownNameError, LookupError), (ConfigError, ValueError), (ShapeError, ValueError)]
)
def test_errors_are_also_the_builtin_ones(kind: type[VisattnError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin, match="the problem"):
        raise kind("the problem")
