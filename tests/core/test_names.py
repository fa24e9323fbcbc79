from visattn.core.errors import UnknownNameError
from visattn.core.names import nearest, unknown_name

NAMES = ["se", "cbam", "cbam_channel", "CoordAtt"]


def test_nearest_is_best_first_and_at_most_count() -> None:
    assert nearest("cbam_chanel", NAMES) == ["cbam_channel", "cbam"]
    assert nearest("cbam_chanel", NAMES, count=1) == ["cbam_channel"]


def test_nearest_ignores_case_and_keeps_the_spelling() -> None:
    assert nearest("COORDAT", NAMES) == ["CoordAtt"]


def test_nearest_of_something_else_is_empty() -> None:
    assert nearest("zzzz", NAMES) == []


def test_unknown_name_with_and_without_a_near_one() -> None:
    near = unknown_name("mechanism", "sé", NAMES, see="visattn list")
    assert isinstance(near, UnknownNameError)
    assert str(near) == "unknown mechanism 'sé': did you mean 'se'? See visattn list"
    far = unknown_name("mechanism", "zzzz", NAMES, see="visattn list")
    assert str(far) == "unknown mechanism 'zzzz': see visattn list"
