"""Statistics against numbers worked by hand, and against what they promise."""

import math

import numpy as np
import pytest

from proxmo.comparison.statistics import (
    aggregate,
    interquartile_mean,
    paired_difference,
    probability_of_improvement,
)


def runs(*scores):
    return np.array(scores, dtype=float)


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end():
    assert interquartile_mean(runs(100, 1, 2, 3, -50)) == 2  # of five, the middle three
    assert interquartile_mean(runs(8, 1, 2, 3, 4, 5, 6, 7)) == 4.5  # of eight, the middle four
    assert interquartile_mean(runs(1, 2, 6)) == 3  # of three, all


def test_an_aggregate_pools_environments():
    # Pooled: 0, 1, 2, 3, 10, 11, 12, 13; the middle four are 2, 3, 10, 11.
    estimate = aggregate([runs(0, 1, 2, 3), runs(10, 11, 12, 13)])
    assert estimate.value == 6.5
    assert estimate.low < 6.5 < estimate.high


def test_the_bootstrap_resamples_within_environments():
    # Each environment's runs are alike: nothing can change, however far apart the two are.
    estimate = aggregate([runs(0, 0, 0), runs(1, 1, 1)])
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.5, 0.5)


def test_the_interval_of_two_runs_is_known():
    # Two runs give means 0, 1/2 and 1 with chances 1/4, 1/2, 1/4: the ends are the runs.
    estimate = aggregate([runs(0, 1)])
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0, 1)


def test_the_interval_of_many_runs_is_that_of_the_normal_distribution():
    scores = np.random.default_rng(0).normal(size=400)
    estimate = probability_of_improvement([scores], [np.zeros(2)])
    p = (scores > 0).mean()
    half = 1.96 * math.sqrt(p * (1 - p) / 400)
    assert (estimate.low, estimate.high) == pytest.approx((p - half, p + half), abs=0.006)


def test_one_run_leaves_no_interval():
    estimate = aggregate([runs(0.5)])
    assert estimate.value == 0.5
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


def test_probability_of_improvement_counts_pairs_and_half_of_the_ties():
    # 2 beats 1; 2 against 2 is a tie; 3 beats both: 3.5 of 4.
    assert probability_of_improvement([runs(2, 3)], [runs(1, 2)]).value == 3.5 / 4
    # Averaged with an environment where it never wins.
    both = probability_of_improvement([runs(2, 3), runs(0, 0)], [runs(1, 2), runs(1, 1)])
    assert both.value == 3.5 / 8


def test_a_paired_difference_has_students_interval():
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t(0.975, 2) = 4.30265.
    difference = paired_difference([runs(2, 4, 6)], [runs(1, 2, 3)])
    half = 4.30265 / math.sqrt(3)
    estimate = difference.estimate
    assert (estimate.value, estimate.low) == pytest.approx((2, 2 - half), abs=1e-4)
    assert estimate.high == pytest.approx(2 + half, abs=1e-4)
    assert (difference.runs, difference.verdict) == (3, "not shown")


def test_a_difference_is_shown_when_its_interval_leaves_out_zero():
    ours, theirs = runs(5, 6, 7, 8), runs(1, 2.1, 2.9, 4)
    assert paired_difference([ours], [theirs]).verdict == "better"
    assert paired_difference([theirs], [ours]).verdict == "worse"
    assert paired_difference([runs(1, 1)], [runs(1, 1)]).verdict == "not shown"
    assert paired_difference([runs(9)], [runs(1)]).verdict == "not shown"  # one seed proves nothing


def test_two_equal_differences_give_no_interval_and_three_do():
    # Successes of a few tasks are whole numbers, so that two differences are often the same.
    two = paired_difference([runs(0.55, 0.61)], [runs(0.50, 0.56)])
    assert two.estimate.value == pytest.approx(0.05)
    assert math.isnan(two.estimate.low)
    assert two.verdict == "not shown"
    assert paired_difference([runs(5, 6, 7)], [runs(4, 5, 6)]).verdict == "better"


def test_pairing_takes_out_what_a_seed_does_to_all():
    ours, theirs = runs(0.1, 0.5, 0.9), runs(0.0, 0.39, 0.81)
    assert paired_difference([ours], [theirs]).shown
    assert not paired_difference([ours], [theirs[::-1]]).shown


def test_over_environments_differences_are_averaged_with_welchs_degrees_of_freedom():
    # Variances of the means 1/3 and 4/3; of their average 5/12 (each over 2 squared).
    difference = paired_difference([runs(1, 2, 3), runs(2, 4, 6)], [runs(0, 0, 0)] * 2)
    # Degrees of freedom (5/12)^2 / ((1/12)^2 / 2 + (4/12)^2 / 2) = 50/17.
    assert difference.estimate.value == 3
    half = difference.estimate.high - 3
    # t(0.975, 50/17) lies between those of 2 and 3 degrees of freedom, 4.303 and 3.182.
    assert 3.182 * math.sqrt(5 / 12) < half < 4.303 * math.sqrt(5 / 12)


def test_intervals_of_differences_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(2000, 3))
    wrong = sum(paired_difference([row], [np.zeros(3)]).shown for row in noise)
    assert 0.035 < wrong / 2000 < 0.065
