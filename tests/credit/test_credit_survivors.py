"""What credit gets of a batch of which some episodes failed: Steps of the others, and zeros."""

from typing import Any

import pytest

import proxmo
from proxmo.credit import credit_survivors


def batch(*episodes) -> tuple[dict[str, list[Any]], list[bool]]:
    """Columns, and which rows failed, of episodes `(group, rewards, failed)`."""
    names = ("group", "trajectory", "step", "observation", "reward", "success", "valid")
    rows = [
        ((group, number, step, f"at {step}", reward, sum(rewards) > 0, True), failed)
        for number, (group, rewards, failed) in enumerate(episodes)
        for step, reward in enumerate(rewards)
    ]
    columns = {name: [row[i] for row, _ in rows] for i, name in enumerate(names)}
    return columns, [failed for _, failed in rows]


@pytest.mark.parametrize("method", proxmo.CREDIT)
def test_survivors_get_what_they_would_have_got_alone(method):
    whole = [("a", [0.0, 10.0], False), ("a", [0.0, 0.0], False), ("a", [10.0], False)]
    alone = proxmo.make(method)(proxmo.Steps(**batch(*whole)[0]))
    broken = [whole[0], ("a", [0.0, -3.0], True), *whole[1:]]
    result = credit_survivors(proxmo.make(method), *batch(*broken))
    for part in ("advantage", "episode", "step"):
        values, expected = getattr(result, part).tolist(), getattr(alone, part).tolist()
        assert values == [*expected[:2], 0.0, 0.0, *expected[2:]]
    assert result.diagnostics == alone.diagnostics


@pytest.mark.parametrize("method", proxmo.CREDIT)
def test_four_survivors_that_all_succeed_get_no_less_for_four_that_broke(method):
    episodes = [("a", [10.0], False)] * 4 + [("a", [0.0], True)] * 4
    result = credit_survivors(proxmo.make(method), *batch(*episodes))
    assert result.advantage.tolist() == [0.0] * 8


@pytest.mark.parametrize("method", proxmo.CREDIT)
def test_an_episode_that_its_group_left_alone_carries_no_signal(method):
    episodes = [("a", [0.0, 10.0], False), ("a", [0.0], True)]
    columns, failed = batch(*episodes)
    columns["valid"][0] = False  # nor is it charged
    result = credit_survivors(proxmo.make(method), columns, failed)
    assert result.advantage.tolist() == [0.0, 0.0, 0.0]
    assert result.diagnostics["credit/no_signal_groups"] == 1.0
    both = [*episodes, ("b", [10.0], False), ("b", [0.0], False)]
    result = credit_survivors(proxmo.GRPO(normalize="mean"), *batch(*both))
    assert result.advantage.tolist() == [0.0, 0.0, 0.0, 5.0, -5.0]
    assert result.diagnostics["credit/no_signal_groups"] == 0.5
    assert result.diagnostics["credit/success_rate"] == 0.75  # of group a 1, of group b 1/2


def test_a_group_of_one_from_the_beginning_is_the_methods_to_judge():
    one = ("a", [0.0, 10.0], False)
    others = [("b", [10.0], False), ("b", [0.0], False)]
    with pytest.warns(proxmo.errors.ProxmoWarning):
        alone = proxmo.ProxMO()(proxmo.Steps(**batch(one)[0]))
    result = credit_survivors(proxmo.ProxMO(), *batch(one, *others, ("b", [0.0], True)))
    assert result.advantage[:2].tolist() == alone.advantage.tolist() != [0.0, 0.0]


def test_where_nothing_survived_there_are_zeros_and_no_figures():
    result = credit_survivors(proxmo.ProxMO(), *batch(("a", [1.0, 2.0], True)))
    assert result.advantage.tolist() == result.step.tolist() == [0.0, 0.0]
    assert result.diagnostics == {}
