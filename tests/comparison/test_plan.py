from dataclasses import replace
from pathlib import Path

import pytest

from visattn.comparison.choices import Choice, parse_choices
from visattn.comparison.plan import Arm, Plan, Setting, digest, file_digest
from visattn.core.errors import ConfigError
from visattn.train import TrainConfig

SE = (Choice(name="se"),)
SETTING = Setting(
    model="resnet8",
    pretrained=False,
    weights=None,
    weights_digest=None,
    identity=False,
    where=None,
    num_classes=10,
    image_shape=(1, 16, 16),
    fingerprint="f",
    train=TrainConfig().to_json(),
    threads=1,
    device="cpu",
    data="digits",
    size=None,
    on_bad="fail",
    cache=None,
)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": ()}, "expected at least one"),
        ({"seeds": (1, 1)}, "none twice"),
        ({"threads": 0}, "threads is 0"),
        ({"insertion": "somehow"}, "expected one of 'auto', 'identity', 'published'"),
        ({"controls": "two"}, "expected one of 'median', 'each', 'none'"),
        ({"on_bad": "ignore"}, "expected one of 'fail', 'skip'"),
        ({"pretrained": True, "weights": Path("w.pt")}, "leave one out"),
    ],
)
def test_values_without_meaning_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Plan(mechanisms=SE, **values)


def test_mechanisms_start_as_published_from_scratch_and_as_identity_with_loaded_weights():
    assert not Plan(mechanisms=SE).identity
    assert Plan(mechanisms=SE, pretrained=True).identity
    assert not Plan(mechanisms=SE, pretrained=True, insertion="published").identity
    assert Plan(mechanisms=SE, insertion="identity").identity


def test_arms_read_back():
    for arm in (
        Arm(id="no-op", kind="no-op", sites={"a": 0}),
        Arm(id="x", kind="mechanism", choice=parse_choices("se(reduction=4, where=['a', 'b'])")[0]),
    ):
        assert Arm.from_json(arm.to_json()) == arm


def test_a_run_is_named_by_what_its_result_depends_on():
    arm = Arm(id="se", kind="mechanism", choice=SE[0])
    name = digest(SETTING.run_spec(arm, 0))
    same = [
        SETTING.run_spec(replace(arm, id="another label"), 0),
        replace(SETTING, data="elsewhere", cache="there", weights="moved.pt", on_bad="skip").run_spec(arm, 0),
    ]
    other = [
        SETTING.run_spec(arm, 1),
        SETTING.run_spec(replace(arm, choice=Choice(name="se", options={"reduction": 4})), 0),
        replace(SETTING, fingerprint="g").run_spec(arm, 0),
        replace(SETTING, threads=2).run_spec(arm, 0),
        replace(SETTING, weights_digest="w").run_spec(arm, 0),
        replace(SETTING, train=TrainConfig(lr=0.2).to_json()).run_spec(arm, 0),
    ]
    assert all(digest(s) == name for s in same)
    assert len({name, *map(digest, other)}) == 1 + len(other)


def test_file_digest_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a").startswith("ba7816bf8f01cfea")
