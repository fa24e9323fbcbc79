import copy
import json
import math

import pytest

from visattn.core.errors import RunError
from visattn.report.schema import SCHEMA, validate


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"seeds": 1, "cost": False},
        {"mechanisms": 1, "seeds": 2, "images": 0},
        {"mechanisms": 30, "seeds": 30, "epochs": 1},
        {"classes": 100},
    ],
    ids=str,
)
def test_every_kind_of_comparison_is_valid(make_results, options):
    validate(json.loads(json.dumps(make_results(**options), allow_nan=False)))


def test_the_schema_is_itself_valid():
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(SCHEMA)


def test_tuples_are_lists(make_results):
    results = make_results(mechanisms=1)
    results["arms"][1]["effect"]["interval"] = tuple(results["arms"][1]["effect"]["interval"])
    validate(results)


@pytest.mark.parametrize("version", ["visattn.results/2", None, 1])
def test_another_version_is_named(make_results, version):
    with pytest.raises(RunError, match=rf"format {version!r}, expected 'visattn.results/1'"):
        validate({**make_results(mechanisms=1), "schema": version})


def test_what_is_no_record_is_refused():
    with pytest.raises(RunError, match="format None"):
        validate([])


WRONG = {
    r"\$\.arms\[1\]\.effect\.p: 1\.5": lambda r: r["arms"][1]["effect"].update(p=1.5),
    r"\$\.arms\[3\]\.runs\[0\]\.seed: -1": lambda r: r["arms"][3]["runs"][0].update(seed=-1),
    r"\$\.arms\[3\]: 'verdict' is a required": lambda r: r["arms"][3].pop("verdict"),
    r"\$\.arms\[3\]\.verdict\.code: 'great'": lambda r: r["arms"][3]["verdict"].update(code="great"),
    r"\$\.arms\[1\]\.effect\.interval: .* is too short": lambda r: r["arms"][1]["effect"].update(interval=[0.0]),
    r"\$\.summary\.mde: 'much' is not of type": lambda r: r["summary"].update(mde="much"),
    r"\$\.images\[0\]\.png: ": lambda r: r["images"][0].update(png=") } body { display: none }"),
    r"\$\.arms\[3\]\.id: 'baseline' is there twice": lambda r: r["arms"][3].update(id="baseline"),
    r"\$\.arms\[1\]\.effect\.per_seed: its length": lambda r: r["arms"][1]["effect"]["per_seed"].pop(),
    r"\$\.arms\[3\]\.runs\[1\]\.curve: its columns": lambda r: r["arms"][3]["runs"][1]["curve"]["epoch"].pop(),
    r"\$\.arms\[3\]\.explanations\[0\]\.image: there are only 6": lambda r: r["arms"][3]["explanations"][0].update(
        image=6
    ),
    r"\$\.arms\[3\]\.explanations\[0\]\.heatmap: its rows": lambda r: r["arms"][3]["explanations"][0]["heatmap"][
        0
    ].pop(),
    r"\$\.arms: got 2 arms of kind 'baseline'": lambda r: r["arms"][3].update(kind="baseline"),
    r"\$\.pareto\[0\]: 'none' is no arm": lambda r: r.update(pareto=["none"]),
    r"\$\.arms\[3\]\.accuracy\.sd: got nan": lambda r: r["arms"][3]["accuracy"].update(sd=math.nan),
    r"\$\.seconds: got inf": lambda r: r.update(seconds=math.inf),
}


@pytest.mark.parametrize("message", WRONG)
def test_the_first_problem_is_named_with_its_path(make_results, message):
    results = copy.deepcopy(make_results(mechanisms=1))
    WRONG[message](results)
    with pytest.raises(RunError, match=message):
        validate(results)


def test_a_long_value_is_cut(make_results):
    with pytest.raises(RunError) as caught:
        validate({**make_results(mechanisms=1), "arms": "x" * 10_000})
    assert len(str(caught.value)) < 400
