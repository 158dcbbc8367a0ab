"""ProxMO(lambda): the paper at 1, temporal differences of its own values below."""

import numpy as np
import pytest
from credit_batches import batches, episode, steps_of
from hypothesis import given
from hypothesis import strategies as st

import proxmo
from proxmo.credit.returns import lambda_advantages


@given(batches())
def test_at_one_it_is_the_paper(rows):
    steps = steps_of(rows)
    paper, almost = proxmo.ProxMO()(steps), proxmo.ProxMO(lam=float(np.nextafter(1, 0)))(steps)
    assert almost.advantage == pytest.approx(paper.advantage, abs=1e-12)
    assert np.array_equal(proxmo.ProxMO(lam=1.0)(steps).advantage, paper.advantage)


@given(batches(), st.sampled_from([0.0, 0.5, 0.9]))
def test_plain_loops_over_the_equation_agree(rows, lam):
    steps = steps_of(rows)
    method = proxmo.ProxMOStep(gamma=0.9, lam=lam)
    plain = proxmo.ProxMOStep(gamma=0.9, invalid_action_penalty=0.0)
    free = proxmo.Steps(
        **{name: getattr(steps, name) for name in ("group", "trajectory", "step", "observation")},
        reward=steps.reward,
        success=steps.success,
    )
    # V = G - A of the paper's step level without charges; the mean charge is V of charges alone.
    returns = np.zeros(len(steps))
    for row in reversed(steps.order):
        later = [i for i in steps.order if steps.before[i] == row]
        returns[row] = steps.reward[row] + (0.9 * returns[later[0]] if later else 0.0)
    values = returns - plain(free).step
    charge = 0.1 * ~steps.valid
    charged = proxmo.ProxMOStep(gamma=0.0, invalid_action_penalty=0.0)(
        proxmo.Steps(
            **{n: getattr(steps, n) for n in ("group", "trajectory", "step", "observation")},
            reward=charge,
        )
    )
    expected = -charged.step
    for row in range(len(steps)):
        at, weight = row, 1.0
        while at is not None:
            later = next((int(i) for i in steps.order if steps.before[i] == at), None)
            after = 0.0 if later is None else values[later]
            expected[row] += weight * (steps.reward[at] + 0.9 * after - values[at])
            at, weight = later, weight * 0.9 * lam
    assert method(steps).step == pytest.approx(expected, abs=1e-9)


def test_temporal_differences_by_hand():
    rows = episode("g", "a", [0.0, 10.0], ["x", "y"]) + episode("g", "b", [0.0], ["x"])
    values = np.array([4.0, 6.0, 1.0])
    steps = steps_of(rows)
    # With gamma 1/2: -4 + 3 = -1, 10 - 6 = 4, -1; with lambda 1/2 a quarter of the later one.
    assert lambda_advantages(steps, values, 0.5, 0.0) == pytest.approx([-1.0, 4.0, -1.0])
    assert lambda_advantages(steps, values, 0.5, 0.5) == pytest.approx([0.0, 4.0, -1.0])


@given(batches())
def test_exact_states_at_one_are_gigpo(rows):
    steps = steps_of(rows)
    found = proxmo.ProxMOStep(similarity="exact", temperature=1e-3, lam=float(np.nextafter(1, 0)))
    assert found(steps).step == pytest.approx(proxmo.GiGPO()(steps).step, abs=1e-9)


@pytest.mark.parametrize("lam", [-0.1, 1.1, float("nan")])
def test_lambda_is_a_share(lam):
    with pytest.raises(proxmo.InputError, match="lam is"):
        proxmo.ProxMO(lam=lam)
