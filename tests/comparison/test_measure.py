import pytest

from visattn.comparison.measure import measure_costs, training_step
from visattn.comparison.survey import survey


@pytest.mark.slow
def test_costs_of_every_arm(make):
    plan, setting = make("se,rfaconv")
    arms = list(survey(plan, setting).arms)
    said = []
    costs = measure_costs(setting, arms, on_arm=said.append)
    assert list(costs) == [a.id for a in arms]
    base = costs["baseline"]
    assert base["params_added"] == base["macs_added"] == 0
    assert base["latency"]["ratio"] == base["train_step"]["ratio"] == base["peak_memory"]["ratio"] == 1.0
    assert costs["no-op"]["params"] == base["params"]
    assert costs["se"]["params_added"] > 0
    assert costs["rfaconv"]["macs"] > base["macs"]
    assert costs["rfaconv"]["latency"]["ratio"] > 1.0
    assert costs["rfaconv"]["peak_memory"]["bytes"] > base["peak_memory"]["bytes"]
    assert all(c["uncounted"] == {} for c in costs.values())
    assert {"latency", "training step", "memory of se"} <= set(said)


def test_a_training_step_leaves_gradients(make):
    plan, setting = make("se")
    step = training_step(setting, survey(plan, setting).arms[0])
    step()
