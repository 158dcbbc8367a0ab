"""Every equation with numbers worked by hand."""

import math

import numpy as np
import pytest
from credit_batches import episode, steps_of

import proxmo
from proxmo.credit.groups import group_mean, group_std, leave_one_out_mean
from proxmo.credit.modulation import modulation_weights
from proxmo.credit.returns import charge_invalid, discounted_returns
from proxmo.credit.soft import effective_neighbours, soft_weights

E = math.e


def two_episodes(**changes):
    """A success by way of "goal" and a failure by way of "swamp", both from "start"."""
    success = episode("g", "a", [0.0, 10.0], ["start", "goal"], success=True, **changes)
    return steps_of(success + episode("g", "b", [0.0, 0.0], ["start", "swamp"]))


def three_rewards(*rewards):
    """Trajectories of one step each, in one group."""
    return steps_of(
        [row for i, reward in enumerate(rewards) for row in episode("g", i, [reward], [f"t{i}"])]
    )


def test_group_means_and_deviations():
    values, groups = np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 0, 1])
    assert group_mean(values, groups).tolist() == [3.0, 3.0, 3.0, 7.0]
    # (4 + 0 + 4) / 2 = 4, whose root is 2; the group of one deviates by nothing.
    assert group_std(values, groups).tolist() == [2.0, 2.0, 2.0, 0.0]
    assert leave_one_out_mean(values, groups).tolist() == [4.0, 3.0, 2.0, 7.0]


def test_returns_discount_what_comes_later():
    # Rows of "b" (number 1) stand between those of "a": 1 + 0.5 * (2 + 0.5 * 4) = 3.
    reward, trajectory = np.array([1.0, 6.0, 2.0, 4.0]), np.array([0, 1, 0, 0])
    order = np.array([0, 2, 3, 1])
    returns = discounted_returns(reward, trajectory, order, gamma=0.5)
    assert returns.tolist() == [3.0, 6.0, 4.0, 4.0]


def test_the_charge_meets_the_invalid_step_alone():
    charged = charge_invalid(np.array([1.0, 1.0]), np.array([True, False]), penalty=0.25)
    assert charged.tolist() == [1.0, 0.75]


def test_rare_outcomes_weigh_more():
    # sigmoid(1) - 1/2 = 0.231059, sigmoid(3/4) - 1/2 = 0.179179, sigmoid(1/4) - 1/2 = 0.062177.
    success, rate = np.array([True, True, True, False, False]), np.array([0, 0.25, 1, 0.25, 1])
    weights = modulation_weights(success, rate, alpha=1.0, modulation=0.05)
    few, some = 0.05 * 0.179179 / 0.231059, 0.05 * 0.062177 / 0.231059
    assert weights == pytest.approx([1.05, 1 + few, 1.0, 1 - some, 0.95], abs=1e-6)


def test_weights_count_every_step_of_a_state():
    # Similarities 1 and 0 at tau = 1, with 2 steps and 1 step: 2e to 1.
    weights = soft_weights(np.array([[1.0, 0.0]]), np.array([2, 1]), temperature=1.0)
    assert weights[0] == pytest.approx([2 * E / (2 * E + 1), 1 / (2 * E + 1)])


def test_equal_weights_on_four_steps_are_four_neighbours():
    weights, count = np.array([[0.75, 0.25]]), np.array([3, 1])
    assert effective_neighbours(weights, count) == pytest.approx([4.0])


def test_grpo_divides_by_the_deviation():
    # Mean 2, deviations -2, 0, 2, std sqrt(8 / 2) = 2.
    result = proxmo.GRPO()(three_rewards(0.0, 2.0, 4.0))
    assert result.advantage == pytest.approx([-1.0, 0.0, 1.0], abs=1e-6)
    assert result.step.tolist() == [0.0, 0.0, 0.0]


def test_grpo_without_division():
    result = proxmo.GRPO(normalize="mean")(three_rewards(0.0, 2.0, 4.0))
    assert result.advantage.tolist() == [-2.0, 0.0, 2.0]


def test_grpo_gives_every_step_the_advantage_of_its_trajectory():
    result = proxmo.GRPO(normalize="mean")(two_episodes())
    assert result.advantage.tolist() == [5.0, 5.0, -5.0, -5.0]


def test_rloo_compares_with_the_others():
    # 0 against (2 + 4) / 2, 2 against (0 + 4) / 2, 4 against (0 + 2) / 2.
    assert proxmo.RLOO()(three_rewards(0.0, 2.0, 4.0)).advantage.tolist() == [-3.0, 0.0, 3.0]


def test_reinforce_plus_plus_whitens_over_the_batch():
    # Less the group's mean: -1, 1 and -3, 3; mean 0, std sqrt((1 + 1 + 9 + 9) / 4) = sqrt(5).
    rows = [*episode("g", "a", [0.0]), *episode("g", "b", [2.0])]
    rows += [*episode("h", "c", [0.0]), *episode("h", "d", [6.0])]
    result = proxmo.ReinforcePlusPlus()(steps_of(rows))
    assert result.advantage == pytest.approx(np.array([-1, 1, -3, 3]) / math.sqrt(5))


def test_gigpo_compares_within_the_same_state():
    # Returns 5, 10, 0, 0; "start" has the mean 2.5, the other two are alone.
    result = proxmo.GiGPO(gamma=0.5)(two_episodes())
    assert result.episode.tolist() == [5.0, 5.0, -5.0, -5.0]
    assert result.step.tolist() == [2.5, 0.0, -2.5, 0.0]
    assert result.advantage.tolist() == [7.5, 5.0, -7.5, -5.0]


def test_gigpo_divides_both_levels_by_their_deviation():
    # Rewards 10 and 0: std sqrt(50). Returns in "start" 5 and 0: std sqrt(12.5).
    result = proxmo.GiGPO(gamma=0.5, normalize="std")(two_episodes())
    root = math.sqrt(0.5)
    assert result.episode == pytest.approx([root, root, -root, -root], abs=1e-6)
    assert result.step == pytest.approx([root, 0.0, -root, 0.0], abs=1e-6)


def test_gigpo_joins_states_that_are_alike():
    # "cup 1" and "cup 2" share 4 of 5 characters: ratio 0.8. Returns 4 and 0, mean 2.
    rows = episode("g", "a", [4.0], ["cup 1"]) + episode("g", "b", [0.0], ["cup 2"])
    assert proxmo.GiGPO()(steps_of(rows)).step.tolist() == [0.0, 0.0]
    assert proxmo.GiGPO(similarity_threshold=0.8)(steps_of(rows)).step.tolist() == [2.0, -2.0]
    assert proxmo.GiGPO(similarity_threshold=0.81)(steps_of(rows)).step.tolist() == [0.0, 0.0]


def test_proxmo_weighs_the_whole_group_by_similarity():
    # Returns 5, 10, 0, 0. tau = 1: a step of the same text weighs e, any other 1.
    result = proxmo.ProxMO(gamma=0.5, temperature=1.0, similarity="exact", modulation=0.0)(
        two_episodes()
    )
    start, goal = (5 * E + 10) / (2 * E + 2), (10 * E + 5) / (E + 3)
    swamp = 15 / (E + 3)
    assert result.step == pytest.approx([5 - start, 10 - goal, -start, -swamp])
    assert result.advantage == pytest.approx(result.episode + result.step)


def test_proxmo_modulates_the_episode_by_the_success_rate():
    # p = 1/2, alpha = 1: sigmoid(1/2) - 1/2 = 0.122459, over sigmoid(1) - 1/2 = 0.231059.
    result = proxmo.ProxMO(alpha=1.0, modulation=0.1)(two_episodes())
    shift = 0.1 * 0.122459 / 0.231059
    assert result.episode[0] == pytest.approx(5 * (1 + shift), abs=1e-5)
    assert result.episode[2] == pytest.approx(-5 * (1 - shift), abs=1e-5)


def test_proxmo_divides_by_the_deviation_when_asked():
    # Rewards 10 and 0: std sqrt(50), so 5 / sqrt(50) = sqrt(1/2).
    result = proxmo.ProxMO(normalize="std", modulation=0.0)(two_episodes())
    assert result.episode[[0, 2]] == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5)], abs=1e-6)


def test_the_step_weight_weighs_the_step_level():
    result = proxmo.ProxMO(step_weight=0.5)(two_episodes())
    assert result.advantage == pytest.approx(result.episode + 0.5 * result.step)


def test_the_ablations_are_the_two_levels():
    both = proxmo.ProxMO()(two_episodes())
    episode_only = proxmo.ProxMOEpisode()(two_episodes())
    step_only = proxmo.ProxMOStep()(two_episodes())
    assert episode_only.advantage.tolist() == both.episode.tolist()
    assert step_only.advantage.tolist() == both.step.tolist()
    assert not episode_only.step.any()
    assert not step_only.episode.any()


def test_an_invalid_action_costs_its_own_step_only():
    # The first step of "a" is invalid: 10 - 0.1 - 5 there, 10 - 5 at its other step.
    result = proxmo.ProxMO(gamma=0.5, modulation=0.0, temperature=1e-3, similarity="exact")(
        two_episodes(valid=[False, True])
    )
    assert result.episode == pytest.approx([4.9, 5.0, -5.0, -5.0])
    # Returns 5 - 0.1, 10, 0, 0: the charge is in the baseline of "start" too, 4.9 / 2.
    assert result.step == pytest.approx([2.45, 0.0, -2.45, 0.0])


def test_an_invalid_action_at_the_end_does_not_spread_to_earlier_steps():
    # Were the charge discounted, the first step's return would be 5 - 0.05.
    result = proxmo.GiGPO(gamma=0.5)(two_episodes(valid=[True, False]))
    assert result.episode == pytest.approx([5.0, 4.9, -5.0, -5.0])
    assert result.step == pytest.approx([2.5, 0.0, -2.5, 0.0])


@pytest.mark.parametrize("method", [proxmo.GRPO(normalize="mean"), proxmo.RLOO()])
def test_the_charge_is_weighed_against_unpenalised_rewards(method):
    with_charge = method(two_episodes(valid=[False, True])).advantage
    without = method(two_episodes()).advantage
    assert with_charge - without == pytest.approx([-0.1, 0.0, 0.0, 0.0])
