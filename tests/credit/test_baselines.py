"""The baselines taken apart are the baselines that methods subtract."""

import numpy as np
import pytest
from credit_batches import batches, episode, steps_of
from hypothesis import given, settings
from hypothesis import strategies as st

import proxmo
from proxmo.credit.baselines import step_baselines

WITH_STEP_LEVEL = [
    proxmo.ProxMO(temperature=0.3, gamma=0.8),
    proxmo.ProxMO(similarity="exact"),
    proxmo.ProxMOStep(),
    proxmo.ProxMOStep(lam=0.5),
    proxmo.GiGPO(gamma=0.9),
    proxmo.GiGPO(similarity_threshold=0.6),
    proxmo.ReleasedProxMO(),
    proxmo.ReleasedProxMO(mode="mean_norm"),
    proxmo.ReleasedProxMO(mode="mean_norm", similarity_threshold=0.6),
]


@settings(max_examples=40, deadline=None)
@given(rows=batches(), estimator=st.sampled_from(WITH_STEP_LEVEL))
def test_returns_less_baseline_is_the_step_advantage(rows, estimator):
    steps = steps_of(rows)
    found = step_baselines(estimator, steps)
    assert found is not None
    np.testing.assert_allclose(found.returns - found.baseline, estimator(steps).step, atol=1e-9)
    for row in range(len(steps)):
        shares = [share for _, share in found.neighbours(row)]
        assert sum(shares) == pytest.approx(1)
        assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("name", ["grpo", "rloo", "reinforce++", "proxmo-episode"])
def test_methods_without_a_step_level_have_none(name):
    assert step_baselines(proxmo.make(name), steps_of(episode("g", "t", [1.0]))) is None


def test_gigpo_compares_with_the_same_text_by_number_of_steps():
    rows = episode("g", "a", [0, 1.0], ["hall", "den"]) + episode("g", "b", [0], ["hall"])
    found = step_baselines(proxmo.GiGPO(gamma=0.5), steps_of(rows))
    assert found is not None
    assert found.returns.tolist() == [0.5, 1, 0]
    assert found.baseline.tolist() == [0.25, 1, 0.25]
    hall = int(found.states.of_step[0])
    assert found.neighbours(0) == [(hall, 1.0)]
    assert found.states.count[hall] == 2


def test_proxmo_weighs_states_by_likeness():
    texts = ["open red box", "open red chest", "say hello"]
    rows = episode("g", "a", [0, 0, 6.0], texts)
    found = step_baselines(proxmo.ProxMO(gamma=1.0, temperature=0.2), steps_of(rows))
    assert found is not None
    states = [int(state) for state, _ in found.neighbours(0)]
    assert states == [int(found.states.of_step[row]) for row in (0, 1, 2)]


def test_a_batch_without_tokens_has_no_step_level_in_the_released_code():
    rows = episode("g", "a", [1.0, 2.0], ["", "?"])
    assert step_baselines(proxmo.ReleasedProxMO(), steps_of(rows)) is None
    assert step_baselines(proxmo.ProxMO(), steps_of(rows)) is not None
