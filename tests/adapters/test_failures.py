"""What credit gets of a batch in which environments broke."""

import pytest

import proxmo
from proxmo.adapters.failures import credit_survivors
from proxmo.errors import ProxmoError


def batch(*episodes):
    """Columns and errors of episodes `(group, rewards, error)`."""
    columns = {name: [] for name in ("group", "trajectory", "step", "observation", "reward")}
    errors, success = [], []
    for number, (group, rewards, error) in enumerate(episodes):
        for step, reward in enumerate(rewards):
            row = (group, number, step, f"at {step}", reward)
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
            errors.append(error)
            success.append(sum(rewards) > 0)
    return {**columns, "success": success, "valid": [True] * len(errors)}, errors


@pytest.mark.parametrize("method", proxmo.CREDIT)
def test_survivors_get_what_they_would_have_got_alone(method):
    whole = [("a", [0.0, 10.0], None), ("a", [0.0, 0.0], None), ("a", [10.0], None)]
    alone = proxmo.make(method)(proxmo.Steps(**batch(*whole)[0]))
    broken = [whole[0], ("a", [0.0, -3.0], "OSError: gone"), *whole[1:]]
    result = credit_survivors(proxmo.make(method), *batch(*broken))
    for part in ("advantage", "episode", "step"):
        values, expected = getattr(result, part).tolist(), getattr(alone, part).tolist()
        assert values == [*expected[:2], 0.0, 0.0, *expected[2:]]
    assert result.diagnostics == {**alone.diagnostics, "rollout/errors": 1.0}


@pytest.mark.parametrize("method", proxmo.CREDIT)
def test_four_survivors_that_all_succeed_get_no_less_for_four_that_broke(method):
    episodes = [("a", [10.0], None)] * 4 + [("a", [0.0], "OSError: gone")] * 4
    if method == "proxmo-released":  # its baseline is the mean of steps, which is alike here
        episodes = [(group, [10.0], error) for group, _, error in episodes]
    result = credit_survivors(proxmo.make(method), *batch(*episodes))
    assert result.advantage.tolist() == [0.0] * 8


def test_a_group_with_one_episode_left_carries_no_signal():
    episodes = [("a", [0.0, 10.0], None), ("a", [0.0], "OSError: gone")]
    columns, errors = batch(*episodes)
    columns["valid"][0] = False
    result = credit_survivors(proxmo.ProxMO(), columns, errors)
    assert result.advantage.tolist() == [0.0, 0.0, 0.0]
    assert result.diagnostics == {"rollout/errors": 1.0}
    # A group that has one from the beginning is credit's to judge.
    judged = credit_survivors(proxmo.ProxMO(), *batch(episodes[0]))
    alone = proxmo.ProxMO()(proxmo.Steps(**batch(episodes[0])[0]))
    assert judged.advantage.tolist() == alone.advantage.tolist()


def test_the_first_error_is_told_and_nothing_in_it_acts_on_a_terminal(caplog):
    episodes = [("a", [1.0], None), ("a", [0.0], None), ("a", [0.0], "OSError: \x1b[2J gone")]
    credit_survivors(proxmo.GRPO(), *batch(*episodes), tell=False)
    assert caplog.text == ""
    credit_survivors(proxmo.GRPO(), *batch(*episodes))
    assert "1 of 3 episodes" in caplog.text
    assert "the first, 2: OSError: \ufffd[2J gone" in caplog.text


def test_a_batch_in_which_everything_broke_is_an_error_with_the_first():
    episodes = [("a", [0.0], "OSError: one"), ("a", [0.0], "OSError: two")]
    with pytest.raises(ProxmoError, match=r"every episode of the batch .* OSError: one"):
        credit_survivors(proxmo.ProxMO(), *batch(*episodes))
