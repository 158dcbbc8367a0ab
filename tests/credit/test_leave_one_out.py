"""ProxMO with baselines from the other trajectories alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
from credit_batches import batches, episode, plain_returns, steps_of
from hypothesis import given
from hypothesis import strategies as st

import proxmo
from proxmo.credit.baselines import step_baselines
from proxmo.credit.states import distinct_states

TEMPERATURES = st.sampled_from([1e-3, 0.01, 0.1, 1.0, 100.0])


def plain_values(rows, values, kernel, temperature):
    """Row by row, the mean of `values` over the other trajectories; its own where there are none.

    The most similar of the others' rows is subtracted, as in any softmax.
    """
    result = []
    for i, row in enumerate(rows):
        others = [
            k
            for k, other in enumerate(rows)
            if other.group == row.group and other.trajectory != row.trajectory
        ]
        if not others:
            result.append(values[i])
            continue
        most = max(kernel[i, k] for k in others)
        weights = [math.exp((kernel[i, k] - most) / temperature) for k in others]
        means = sum(w * values[k] for w, k in zip(weights, others, strict=True)) / sum(weights)
        result.append(means)
    return result


def plain_advantages(rows, method):
    """The equation of `ProxMOStep(leave_one_out=True)` as loops over rows."""
    steps = steps_of(rows)
    kernel = method.text_similarity(steps.texts, np.bincount(steps.text_ids))
    kernel = kernel(steps.text_ids, steps.text_ids)
    charge = [method.invalid_action_penalty * (not row.valid) for row in rows]
    values = plain_values(rows, plain_returns(rows, method.gamma, 0.0), kernel, method.temperature)
    usual = plain_values(rows, charge, kernel, method.temperature)
    result = []
    for i, row in enumerate(rows):
        later = [
            k
            for k, other in enumerate(rows)
            if other.trajectory == row.trajectory and other.step >= row.step
        ]
        later.sort(key=lambda k: rows[k].step)
        sums = 0.0
        for age, k in enumerate(later):
            after = values[later[age + 1]] if age + 1 < len(later) else 0.0
            delta = rows[k].reward + method.gamma * after - values[k]
            sums += (method.gamma * method.lam) ** age * delta
        result.append(sums - (charge[i] - usual[i]))
    return result


@given(batches(), TEMPERATURES, st.sampled_from([0.0, 0.7, 1.0]))
def test_plain_loops_over_the_equation_agree(rows, temperature, lam):
    method = proxmo.ProxMOStep(gamma=0.9, temperature=temperature, lam=lam, leave_one_out=True)
    found = method(steps_of(rows)).step
    assert found == pytest.approx(plain_advantages(rows, method), abs=1e-10)


@given(batches(), st.randoms())
def test_the_order_of_rows_does_not_matter(rows, random):
    method = proxmo.ProxMO(leave_one_out=True)
    order = list(range(len(rows)))
    random.shuffle(order)
    mixed = method(steps_of([rows[i] for i in order])).advantage
    assert mixed == pytest.approx(method(steps_of(rows)).advantage[order], abs=1e-10)


def test_a_large_group_is_worked_out_in_blocks(monkeypatch):
    rows = [
        row
        for name in range(6)
        for row in episode("g", name, [float(name), 1.0, name / 2], ["red", "blue", f"x{name}"])
    ]
    method, steps = proxmo.ProxMOStep(leave_one_out=True), steps_of(rows)
    whole = method(steps)
    monkeypatch.setattr("proxmo.credit.others.BLOCK", 20)  # two or three of 18 visits at once
    parts = method(steps)
    assert parts.step == pytest.approx(whole.step, abs=1e-12)
    assert parts.diagnostics == pytest.approx(whole.diagnostics, abs=1e-12)


def test_a_trajectory_is_judged_by_the_others_by_hand():
    # All in one state: returns 1 and 4, 7, 10. The first of b against (1 + 10) / 2, and so on.
    rows = episode("g", "a", [1.0]) + episode("g", "b", [0.0, 7.0]) + episode("g", "c", [10.0])
    method = proxmo.ProxMOStep(gamma=1.0, leave_one_out=True)
    assert method(steps_of(rows)).step == pytest.approx([1 - 8.0, 7 - 5.5, 7 - 5.5, 10 - 5.0])


def test_in_one_state_at_one_step_it_is_rloo():
    rows = [row for i, reward in enumerate([1.0, 5.0, 9.0]) for row in episode("g", i, [reward])]
    method = proxmo.ProxMOStep(leave_one_out=True)
    expected = proxmo.RLOO()(steps_of(rows)).advantage
    assert method(steps_of(rows)).step == pytest.approx(expected)


def test_where_the_own_state_is_no_one_elses_the_nearest_of_the_others_counts():
    # exp(-1 / 0.001) is 0: a complement got by subtraction would divide 0 by 0.
    rows = episode("g", "a", [3.0], ["red"]) + episode("g", "b", [5.0], ["blue"])
    method = proxmo.ProxMOStep(temperature=1e-3, leave_one_out=True)
    assert method(steps_of(rows)).step == pytest.approx([-2.0, 2.0])


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_a_trajectory_without_others_has_no_step_level(lam):
    alone = episode("g", "a", [1.0, 2.0], ["red", "blue"], valid=[False, True])
    pair = episode("h", "b", [1.0], ["red"]) + episode("h", "c", [2.0], ["blue"])
    found = proxmo.ProxMO(lam=lam, leave_one_out=True)(steps_of(alone + pair))
    assert found.step == pytest.approx([0.0, 0.0, -1.0, 1.0], abs=1e-12)
    with pytest.warns(proxmo.ProxmoWarning, match="every group has one trajectory"):
        proxmo.ProxMO(lam=lam, leave_one_out=True)(steps_of(alone))


@given(batches(), TEMPERATURES, st.sampled_from([0.0, 0.7, 1.0]))
def test_baselines_taken_apart_are_those_that_are_subtracted(rows, temperature, lam):
    steps = steps_of(rows)
    method = proxmo.ProxMO(temperature=temperature, lam=lam, leave_one_out=True)
    found = step_baselines(method, steps)
    assert found is not None
    np.testing.assert_allclose(found.returns - found.baseline, method(steps).step, atol=1e-9)
    for i, row in enumerate(rows):
        behind = found.neighbours(i)
        assert sum(share for _, share in behind) == pytest.approx(
            1.0 if any(r.group == row.group and r.trajectory != row.trajectory for r in rows) else 0
        )


def test_states_of_the_own_trajectory_alone_are_not_behind_its_baseline():
    rows = episode("g", "a", [0.0, 1.0], ["red", "blue"]) + episode("g", "b", [2.0], ["red"])
    found = step_baselines(proxmo.ProxMO(leave_one_out=True), steps_of(rows))
    assert found is not None
    red, blue, _ = distinct_states(steps_of(rows)).of_step
    assert found.neighbours(0) == [(red, 1.0)]
    assert [state for state, _ in found.neighbours(2)] == [red, blue]


def test_the_default_holds_the_own_trajectory():
    assert proxmo.ProxMO() == replace(proxmo.ProxMO(), leave_one_out=False)
    rows = episode("g", "a", [1.0]) + episode("g", "b", [3.0])
    assert proxmo.ProxMOStep()(steps_of(rows)).step == pytest.approx([-1.0, 1.0])


@pytest.mark.parametrize("value", [1, "yes", None])
def test_leave_one_out_is_true_or_false(value):
    with pytest.raises(proxmo.InputError, match="leave_one_out is"):
        proxmo.ProxMO(leave_one_out=value)
