"""Whose advantages favour going on where going on is worth nothing: the benchmark's claims."""

import runpy
from pathlib import Path

import pytest

GAME = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "turn_index_bias.py"))


@pytest.fixture(scope="module")
def found():
    """Method -> its two figures, each (mean, half of the 95 % interval), in groups of four."""
    steps, went = GAME["play"](groups=4000, size=4, seed=1)
    return {name: GAME["bias"](method, steps, went) for name, method in GAME["METHODS"].items()}


def test_the_game_is_worth_one_whatever_is_done():
    steps, went = GAME["play"](groups=4000, size=4, seed=1)
    first = steps.turn == 0
    for chosen in (went, ~went):
        total = steps.trajectory_rewards[steps.trajectory_ids[first & chosen]]
        assert total.mean() == pytest.approx(1.0, abs=0.05)  # three standard errors


@pytest.mark.parametrize("name", ["turn-index", "grpo", "proxmo leave_one_out"])
def test_baselines_that_do_not_depend_on_the_action_do_not_move_its_gradient(found, name):
    mean, half = found[name][1]
    assert abs(mean) < 2 * half  # about four standard errors
    assert half < 0.04


@pytest.mark.parametrize("name", ["proxmo", "gigpo"])
def test_a_baseline_that_holds_the_own_trajectory_favours_going_on(found, name):
    assert found[name][1][0] == pytest.approx(0.041, abs=0.03)
    assert found[name][1][0] > found[name][1][1]


def test_rewards_against_their_turns_means_favour_stopping(found):
    assert found["rewards by turn, summed"][1][0] == pytest.approx(-0.30, abs=0.05)


def test_a_mean_over_steps_lowers_both_actions_baselines_also_without_the_own_trajectory(found):
    assert found["proxmo"][0][0] == pytest.approx(0.138, abs=0.04)
    assert found["proxmo leave_one_out"][0][0] == pytest.approx(0.168, abs=0.04)
    for name in ("grpo", "turn-index"):
        mean, half = found[name][0]
        assert abs(mean) < 2 * half
