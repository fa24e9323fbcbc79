import pytest

from visattn.comparison.executor import Outcome
from visattn.comparison.results import Finished, assemble, command
from visattn.comparison.run import execute
from visattn.comparison.store import Store
from visattn.comparison.survey import survey
from visattn.report import validate
from visattn.train import TrainConfig


@pytest.fixture
def finished(make, digits, tmp_path):
    """A comparison with real runs of one epoch, done in this process and without costs."""

    def build(mechanisms="se", seeds=(0, 1), lose=(), **values):
        plan, setting = make(mechanisms, seeds=seeds, **values)
        store, surveyed = Store(tmp_path), survey(plan, setting)
        outcomes = {}
        for arm in surveyed.arms:
            for seed in seeds:
                folder = store.run_folder(setting.run_spec(arm, seed))
                lost = (arm.id, seed) in lose
                outcomes[arm.id, seed] = (
                    Outcome(None, "the worker process died")
                    if lost
                    else Outcome(execute(setting, arm, seed, folder, digits))
                )
        return Finished(
            plan=plan, setting=setting, surveyed=surveyed, images=digits, store=store, costs={}, outcomes=outcomes
        )

    return build


def arm(results, name):
    return next(a for a in results["arms"] if a["id"] == name)


def test_two_seeds(finished):
    results = assemble(finished(), seconds=1.0)
    validate(results)
    se, base = arm(results, "se"), arm(results, "baseline")
    assert se["effect"]["mean"] == pytest.approx(se["accuracy"]["mean"] - base["accuracy"]["mean"])
    assert results["summary"]["seeds"] == 2
    assert results["summary"]["noise"] is not None
    assert "cannot be seen" in results["summary"]["detail"]
    assert (
        "no evidence that se helps" in results["summary"]["headline"].lower() or se["verdict"]["code"] != "no_evidence"
    )


def test_one_seed_makes_no_statement(finished):
    results = assemble(finished(seeds=(3,)), seconds=1.0)
    validate(results)
    assert arm(results, "se")["effect"] is None
    assert results["summary"]["mde"] is None
    assert "pass --seeds 5" in results["summary"]["detail"]


def test_a_lost_run_is_told_and_the_others_count(finished):
    results = assemble(finished(seeds=(0, 1, 2), lose={("se", 1)}), seconds=1.0)
    validate(results)
    se = arm(results, "se")
    assert (se["status"], se["verdict"]["code"]) == ("failed", "failed")
    assert "failed in 1 of 3 runs: the worker process died (seed 1)" in se["reason"]
    assert se["effect"]["seeds"] == [0, 2]


def test_a_lost_baseline_leaves_no_differences(finished):
    results = assemble(finished(lose={("baseline", 0), ("baseline", 1)}), seconds=1.0)
    validate(results)
    assert arm(results, "baseline")["status"] == "failed"
    assert arm(results, "se")["effect"] is None


def test_refused_mechanisms_stay(finished):
    results = assemble(finished("se,eca(where=nowhere)"), seconds=1.0)
    validate(results)
    refused = arm(results, "eca(where=nowhere)")
    assert refused["verdict"]["code"] == "refused"
    assert "nowhere" in refused["reason"]


def test_the_command_repeats_the_plan(make):
    plan, _ = make("se,cbam(reduction=8)", seeds=(0, 1, 2), controls="each", train=TrainConfig(epochs=3, lr=0.05))
    want = (
        'visattn compare digits --model resnet8 --mechanisms "se,cbam(reduction=8)" --seeds 3 --epochs 3 '
        "--size 12 --controls each --lr 0.05"
    )
    assert command(plan) == want
    assert "--seeds 4,7," in command(make(seeds=(4, 7))[0])
