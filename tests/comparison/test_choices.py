import pytest

from visattn.comparison.choices import Choice, parse_choices
from visattn.core.errors import ConfigError, UnknownNameError


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("se", [Choice(name="se")]),
        (" se , se(reduction=8) ", [Choice(name="se"), Choice(name="se", options={"reduction": 8})]),
        ("se(squeeze=max)", [Choice(name="se", options={"squeeze": "max"})]),
        ("se(squeeze='max', bias=False)", [Choice(name="se", options={"squeeze": "max", "bias": False})]),
        ("se(where='layer*')", [Choice(name="se", where="layer*")]),
        ("se(where=['a', 'b'])", [Choice(name="se", where=("a", "b"))]),
    ],
)
def test_text_becomes_choices(text, want):
    assert list(parse_choices(text)) == want


def test_a_label_reads_back_as_the_same_choice():
    for choice in parse_choices("se(squeeze=max, where='layer*.bn2', reduction=4)"):
        assert parse_choices(choice.label) == (choice,)


def test_sequences_may_mix_text_and_choices():
    assert [c.label for c in parse_choices(["se", Choice(name="se", options={"reduction": 2})])] == [
        "se",
        "se(reduction=2)",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read|no mechanism"),
        ("se(", "cannot be read"),
        ("se(8)", "is not a mechanism"),
        ("se + se", "is not a mechanism"),
        ("se(reduction=f(1))", "value 'f\\(1\\)' cannot be read"),
        ("se,se", "stands twice"),
        ("se(reductoin=8)", "did you mean 'reduction'"),
    ],
)
def test_what_cannot_be_read_says_so(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_choices(text)


def test_unknown_mechanism_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean"):
        parse_choices("cbma")
