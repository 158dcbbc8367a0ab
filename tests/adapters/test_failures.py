"""What credit gets of a batch in which environments broke."""

import pytest

import proxmo
from proxmo.adapters.failures import credit_played
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


def test_how_many_failed_is_a_figure_beside_the_survivors_own():
    whole = [("a", [0.0, 10.0], None), ("a", [0.0, 0.0], None)]
    alone = proxmo.ProxMO()(proxmo.Steps(**batch(*whole)[0]))
    broken = [*whole, ("a", [0.0], "OSError: gone")]
    result = credit_played(proxmo.ProxMO(), *batch(*broken))
    assert result.diagnostics == {**alone.diagnostics, "rollout/errors": 1.0}
    assert result.advantage.tolist() == [*alone.advantage, 0.0]


def test_the_first_error_is_told_and_nothing_in_it_acts_on_a_terminal(caplog):
    episodes = [("a", [1.0], None), ("a", [0.0], None), ("a", [0.0], "OSError: \x1b[2J gone")]
    credit_played(proxmo.GRPO(), *batch(*episodes), tell=False)
    assert caplog.text == ""
    credit_played(proxmo.GRPO(), *batch(*episodes))
    assert "1 of 3 episodes" in caplog.text
    assert "the first, 2: OSError: \ufffd[2J gone" in caplog.text


def test_a_batch_in_which_everything_broke_is_an_error_with_the_first():
    episodes = [("a", [0.0], "OSError: one"), ("a", [0.0], "OSError: two")]
    with pytest.raises(ProxmoError, match=r"every episode of the batch .* OSError: one"):
        credit_played(proxmo.ProxMO(), *batch(*episodes))
