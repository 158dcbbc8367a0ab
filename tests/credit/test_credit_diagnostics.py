"""Diagnostics against plain computations."""

import numpy as np
import pytest
from credit_batches import batches, episode, plain_returns, plain_step, steps_of
from hypothesis import given, settings
from sklearn.feature_extraction.text import TfidfVectorizer

import proxmo


def groups_with_successes(*successes, size=8):
    """One group per entry, of `size` trajectories of one step, so many of which succeed."""
    rows = []
    for group, count in enumerate(successes):
        for t in range(size):
            won = t < count
            rows += episode(group, (group, t), [10.0 * won], [f"text {t}"], success=won)
    return steps_of(rows)


def test_success_rates_and_their_histogram():
    # 0, 1, 2, 4, 7 and 8 of 8: none; a quarter or nearest to it twice; a half; nearest to
    # three quarters; all.
    found = proxmo.GRPO()(groups_with_successes(0, 1, 2, 4, 7, 8)).diagnostics
    assert found["credit/success_rate"] == pytest.approx(22 / 48)
    sixth = pytest.approx(1 / 6)
    assert found["credit/success_rate_hist/0.00"] == sixth
    assert found["credit/success_rate_hist/0.25"] == pytest.approx(2 / 6)
    assert found["credit/success_rate_hist/0.50"] == sixth
    assert found["credit/success_rate_hist/0.75"] == sixth
    assert found["credit/success_rate_hist/1.00"] == sixth


def test_the_success_rate_is_a_mean_over_groups():
    rows = episode(0, "a", [0.0]) + episode(1, "b", [1.0], success=True)
    rows += episode(1, "c", [1.0], success=True) + episode(1, "d", [1.0], success=True)
    assert proxmo.GRPO()(steps_of(rows)).diagnostics["credit/success_rate"] == 0.5


def test_groups_with_no_signal_are_those_of_one_reward():
    assert proxmo.GRPO()(groups_with_successes(0, 3, 8, 8)).diagnostics[
        "credit/no_signal_groups"
    ] == pytest.approx(3 / 4)


def test_steps_that_exact_matching_would_leave_alone():
    # "far" and, in the other group, "start" occur once in their group.
    rows = episode(0, "a", [0.0, 0.0], ["start", "far"]) + episode(0, "b", [0.0], ["start"])
    rows += episode(1, "c", [0.0], ["start"])
    assert proxmo.GRPO()(steps_of(rows)).diagnostics["credit/alone_steps"] == 0.5


def test_mean_modulation_weights():
    # p = 1/4 at alpha 1: a success 0.179179 / 0.231059, the failures 0.062177 / 0.231059.
    found = proxmo.ProxMO(alpha=1.0, modulation=0.05)(groups_with_successes(2)).diagnostics
    assert found["credit/modulation_success"] == pytest.approx(1 + 0.05 * 0.179179 / 0.231059)
    assert found["credit/modulation_failure"] == pytest.approx(1 - 0.05 * 0.062177 / 0.231059)


def test_the_modulation_of_none_is_one():
    found = proxmo.ProxMO(modulation=0.2)(groups_with_successes(0)).diagnostics
    assert found["credit/modulation_success"] == 1.0


@settings(max_examples=40, deadline=None)
@given(rows=batches())
def test_neighbours_and_explained_variance(rows):
    found = proxmo.ProxMO(temperature=0.3)(steps_of(rows)).diagnostics
    returns = np.array(plain_returns(rows, 0.95, 0.1))
    residual = np.array(plain_step(rows, 0.95, 0.3, 0.1))
    phi = TfidfVectorizer().fit_transform([row.observation for row in rows])
    similarity = np.asarray((phi @ phi.T).todense())
    neighbours = []
    for i, row in enumerate(rows):
        peers = [k for k, other in enumerate(rows) if other.group == row.group]
        weights = np.exp(similarity[i, peers] / 0.3)
        weights /= weights.sum()
        neighbours.append(np.exp(-(weights * np.log(weights)).sum()))
    assert found["credit/effective_neighbours"] == pytest.approx(np.mean(neighbours))
    expected = 1 - residual.var() / returns.var() if returns.var() > 1e-9 else 0.0
    assert found["credit/explained_variance"] == pytest.approx(expected, abs=1e-9)


def test_gigpo_counts_its_anchor_group_as_neighbours():
    rows = episode("g", "a", [0.0, 1.0], ["x", "y"]) + episode("g", "b", [0.0], ["x"])
    found = proxmo.GiGPO()(steps_of(rows)).diagnostics
    assert found["credit/effective_neighbours"] == pytest.approx((2 + 1 + 2) / 3)


def test_every_figure_is_a_float_under_credit():
    for name in proxmo.CREDIT:
        for key, value in proxmo.make(name)(groups_with_successes(1, 4)).diagnostics.items():
            assert key.startswith("credit/")
            assert type(value) is float
