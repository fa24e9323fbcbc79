import math

import numpy as np
import pytest
from scipy import stats

from visattn.comparison.statistics import holm, minimum_detectable_effect, paired_effect

SEEDS, IMAGES = 5, 300


def simulate(rng, arms=1, shift=0.0, seed_sd=0.15, image_sd=0.0, seeds=SEEDS, images=IMAGES):
    """Right or wrong from a latent score with image, seed and residual parts; `shift` is what the arms add to it."""
    difficulty = rng.normal(2.0, 1.5, images)

    def run(mean, image_part, spread):
        score = difficulty + mean + image_part + rng.normal(0, spread, (seeds, 1))
        return score + rng.normal(0, 1, (seeds, images)) > 0

    baseline = run(0.0, 0.0, seed_sd)
    return baseline, [run(shift, rng.normal(0, image_sd, images), seed_sd) for _ in range(arms)]


def true_difference(shift, seed_sd, image_sd):
    plain = 1.5**2 + seed_sd**2 + 1
    return 100 * (stats.norm.cdf((2 + shift) / (plain + image_sd**2) ** 0.5) - stats.norm.cdf(2 / plain**0.5))


def binomial_limits(trials, rate):
    """Range of successes that a binomial leaves with probability below 1e-4 on either side."""
    return stats.binom.ppf(1e-4, trials, rate), stats.binom.ppf(1 - 1e-4, trials, rate)


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(("shift", "seed_sd", "image_sd"), [(0.0, 0.15, 0.0), (0.3, 0.15, 0.3), (0.0, 0.5, 0.0)])
def test_intervals_cover_the_true_difference_at_their_level(seeds, shift, seed_sd, image_sd):
    rng, trials = np.random.default_rng(1), 600
    truth = true_difference(shift, seed_sd, image_sd)
    covered = 0
    for _ in range(trials):
        baseline, (arm,) = simulate(rng, 1, shift, seed_sd, image_sd, seeds=seeds)
        low, high = paired_effect(arm, baseline).interval
        covered += low <= truth <= high
    low, _ = binomial_limits(trials, 0.95)
    # with three seeds the interval may be wider than it has to be, never narrower
    assert covered >= low
    if seeds == 5:
        assert covered <= binomial_limits(trials, 0.975)[1]


def test_false_alarms_of_a_whole_family_stay_at_their_nominal_rate():
    rng, trials, alarms = np.random.default_rng(2), 400, 0
    for _ in range(trials):
        baseline, arms = simulate(rng, arms=4)
        alarms += min(holm([paired_effect(arm, baseline).p for arm in arms])) < 0.05
    assert alarms <= binomial_limits(trials, 0.05)[1]


def test_a_known_effect_is_found_about_as_often_as_the_minimum_detectable_effect_promises():
    rng, trials, found, promised = np.random.default_rng(3), 400, 0, []
    for _ in range(trials):
        baseline, (arm,) = simulate(rng, 1, shift=0.6)
        effect = paired_effect(arm, baseline)
        found += effect.p < 0.05
        promised.append(minimum_detectable_effect(effect))
    truth = true_difference(0.6, 0.15, 0.0)
    assert truth > np.median(promised)
    assert found / trials > 0.8


def test_no_difference_at_all_gives_p_one_and_an_interval_of_no_width():
    right = np.random.default_rng(0).random((4, 40)) > 0.2
    effect = paired_effect(right, right)
    assert (effect.mean, effect.p, effect.interval) == (0.0, 1.0, (0.0, 0.0))
    assert minimum_detectable_effect(effect) == 0.0


def test_seed_interval_is_the_paired_t_interval():
    baseline, (arm,) = simulate(np.random.default_rng(4))
    difference = 100 * (arm.mean(axis=1) - baseline.mean(axis=1))
    want = stats.ttest_1samp(difference, 0.0).confidence_interval(0.95)
    assert paired_effect(arm, baseline).seed_interval == pytest.approx((want.low, want.high))


def test_variance_estimate_is_unbiased_for_crossed_effects():
    rng = np.random.default_rng(5)
    means, estimates = [], []
    for _ in range(800):
        # the continuous model itself: paired_effect is linear in the difference, so booleans are not needed here
        difference = rng.normal(0, 0.02, (8, 1)) + rng.normal(0, 0.2, (1, 60)) + rng.normal(0, 0.4, (8, 60))
        effect = paired_effect(difference, np.zeros_like(difference))
        means.append(effect.mean)
        estimates.append(effect.standard_error**2)
    ratio = np.mean(estimates) / np.var(means)
    assert 0.9 < ratio < 1.35  # never let below one source alone, so slightly above 1


@pytest.mark.parametrize(("seeds", "images"), [(1, 50), (3, 1)])
def test_too_few_seeds_or_images_allow_no_statement(seeds, images):
    right = np.ones((seeds, images), bool)
    assert paired_effect(right, right) is None


def test_holm_against_its_definition():
    p = [0.011, 0.2, 0.03, 0.004, 0.03]
    want = [0.044, 0.2, 0.09, 0.02, 0.09]
    assert holm(p) == pytest.approx(want)
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_minimum_detectable_effect_has_the_power_it_promises():
    baseline, (arm,) = simulate(np.random.default_rng(6), shift=0.2)
    effect = paired_effect(arm, baseline)
    mde = minimum_detectable_effect(effect, tests=8)
    critical = stats.t.ppf(1 - 0.05 / 16, effect.degrees)
    draws = stats.nct.rvs(effect.degrees, mde / effect.standard_error, size=20000, random_state=0)
    assert math.isclose(np.mean(draws > critical), 0.8, abs_tol=0.015)
