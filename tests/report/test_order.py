from visattn.report.order import mechanisms, yardsticks


def test_yardsticks_start_with_the_baseline(make_results):
    results = make_results(mechanisms=2)
    shuffled = {**results, "arms": results["arms"][::-1]}
    assert [arm["id"] for arm in yardsticks(shuffled)] == ["baseline", "control for se", "no-op"]


def test_mechanisms_fall_in_gain_and_end_with_the_unfinished(make_results):
    arms = mechanisms(make_results(mechanisms=9))
    finished = [arm["effect"]["mean"] for arm in arms if arm["status"] == "ok"]
    assert finished == sorted(finished, reverse=True)
    assert [arm["status"] for arm in arms[-3:]] == ["diverged", "failed", "refused"]


def test_one_seed_sorts_by_accuracy(make_results):
    arms = mechanisms(make_results(mechanisms=6, seeds=1, broken=False))
    accuracies = [arm["accuracy"]["mean"] for arm in arms]
    assert not any(arm["effect"] for arm in arms)
    assert accuracies == sorted(accuracies, reverse=True)
