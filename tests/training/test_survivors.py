"""What an environment broke off is no failure of the model."""

import numpy as np
import pytest

from proxmo.credit import CREDIT, GRPO, ProxMO
from proxmo.episodes.metrics import rollout_metrics
from proxmo.training.rows import rows_of
from proxmo.training.survivors import credit_of
from proxmo.types import Context, Step, Trajectory


def episode(group, member, success, error=None, length=2, context: Context = "window"):
    steps = tuple(
        Step(f"room {member} {n}", "p", "r", "a", 10.0 * (success and n == length - 1), True,
             (1, 2), (3,), (-0.5,))
        for n in range(length)
    )  # fmt: skip
    return Trajectory(
        f"{group}#{member}", group, group, "x", 0, steps, success, error=error, context=context
    )


def broken(group, member, length=2):
    return episode(group, member, False, error="OSError: no", length=length)


@pytest.mark.parametrize("method", CREDIT)
def test_survivors_get_what_they_would_get_alone(method):
    """Also of methods that look at the whole batch."""
    sound = [episode(g, m, m % 2 == 0, length=2 + m) for g in ("a", "b") for m in range(4)]
    batch = [*sound[:2], broken("a", 8, 5), *sound[2:], broken("b", 9)]
    alone, credit = (credit_of(b, CREDIT[method](), "drop") for b in (sound, batch))
    failed = np.repeat([t.failed for t in batch], [len(t.steps) for t in batch])
    assert credit.advantage[~failed] == pytest.approx(alone.advantage, abs=1e-12)
    assert not credit.advantage[failed].any()
    assert credit.diagnostics == pytest.approx(alone.diagnostics)


@pytest.mark.parametrize("method", CREDIT)
def test_survivors_that_all_succeed_are_told_nothing_beside_broken_ones(method):
    batch = [*(episode("a", m, True) for m in range(4)), *(broken("a", m + 4) for m in range(4))]
    batch += [episode("b", m, m == 0) for m in range(2)]
    credit = credit_of(batch, GRPO(), "drop")
    assert credit.advantage[:16] == pytest.approx(0.0)
    assert credit_of(batch, CREDIT[method](), "drop").advantage[8:16] == pytest.approx(0.0)


def test_a_broken_episode_counts_as_a_failure_where_that_is_asked_for():
    batch = [*(episode("a", m, True) for m in range(4)), *(broken("a", m + 4) for m in range(4))]
    credit = credit_of(batch, GRPO(normalize="mean"), "fail")
    assert credit.advantage[:8] == pytest.approx(5.0)  # 10 less the mean of 5
    assert credit.advantage[8:] == pytest.approx(0.0)  # not trained on


@pytest.mark.parametrize("method", CREDIT)
def test_the_only_survivor_of_a_group_carries_no_signal(method):
    batch = [
        episode("a", 0, True, length=3),
        broken("a", 1),
        *(episode("b", m, m == 0) for m in (0, 1)),
    ]
    credit = credit_of(batch, CREDIT[method](), "drop")
    assert not credit.advantage[:5].any()
    assert credit.diagnostics["credit/no_signal_groups"] == 0.5
    assert credit.diagnostics["credit/success_rate"] == 0.75  # of group a 1, of group b 1/2


def test_when_every_group_has_one_survivor_there_is_no_signal_at_all():
    batch = [episode("a", 0, True), broken("a", 1), episode("b", 0, False), broken("b", 1)]
    credit = credit_of(batch, ProxMO(), "drop")
    assert not credit.advantage.any()
    assert credit.diagnostics["credit/no_signal_groups"] == 1.0


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_no_token_of_a_broken_episode_is_trained_on(context):
    sound = episode("a", 0, True, context=context)
    batch = [broken("a", 1), sound, broken("a", 2)]
    rows = rows_of(batch, np.arange(6.0))
    own = rows_of([sound], np.arange(2.0, 4.0))
    assert [row.advantages.tolist() for row in rows] == [row.advantages.tolist() for row in own]


def test_figures_are_those_of_the_survivors():
    sound = [episode("a", 0, True), episode("a", 1, False)]
    batch = [*sound, broken("a", 2, length=9), broken("a", 3)]
    alone = rollout_metrics(sound)
    assert rollout_metrics(batch) == alone | {"rollout/errors": 2.0}
    counted = rollout_metrics(batch, "fail")
    assert (counted["rollout/success_rate"], counted["rollout/reward"]) == (0.25, 2.5)
    assert counted["rollout/steps"] == alone["rollout/steps"]
