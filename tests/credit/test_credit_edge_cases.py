"""The edge cases, each by name, and for every method where it concerns every method."""

import numpy as np
import pytest
from credit_batches import Row, episode, plain_step, steps_of

import proxmo

NAMES = tuple(proxmo.CREDIT)
each_method = pytest.mark.parametrize("name", NAMES)
COMPARING = tuple(name for name in NAMES if name != "proxmo-released")
"""The released code takes no mean off a group of one row."""


def finite(result):
    parts = (result.advantage, result.episode, result.step, list(result.diagnostics.values()))
    return all(np.isfinite(part).all() for part in parts)


@pytest.mark.parametrize("name", COMPARING)
def test_a_group_of_one_trajectory_has_no_episode_signal(name):
    rows = episode("g", "a", [0.0, 0.0, 10.0], ["x yes", "y yes", "z yes"], success=True)
    result = proxmo.make(name)(steps_of(rows))
    assert finite(result)
    assert result.episode.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", COMPARING)
def test_a_group_of_one_step_has_no_signal_at_all(name):
    result = proxmo.make(name)(steps_of(episode("g", "a", [10.0], success=True)))
    assert finite(result)
    assert result.advantage.tolist() == [0.0]


@pytest.mark.parametrize("normalize", ["mean", "std"])
def test_a_charge_in_a_group_of_one_stays_a_charge(normalize):
    rows = episode("g", "a", [10.0], valid=[False])
    assert proxmo.GRPO(normalize=normalize)(steps_of(rows)).advantage == pytest.approx([-0.1])


@each_method
@pytest.mark.parametrize(("success", "reward"), [(True, 10.0), (False, 0.0)])
def test_all_succeed_or_all_fail_alike(name, success, reward):
    rows = [r for t in range(4) for r in episode("g", t, [0.0, reward], success=success)]
    result = proxmo.make(name)(steps_of(rows))
    assert finite(result)
    assert np.abs(result.episode).max() < 1e-9
    assert result.diagnostics["credit/no_signal_groups"] == 1.0
    assert result.diagnostics["credit/success_rate"] == float(success)


@pytest.mark.parametrize(
    "method", [proxmo.GRPO(), proxmo.GiGPO(normalize="std"), proxmo.ProxMO(normalize="std")]
)
def test_a_charge_where_nothing_deviates_is_not_blown_up(method):
    # Divided by std + eps = 1e-6 the charge of 0.1 would become 100,000.
    rows = episode("g", "a", [0.0], ["x"], valid=[False]) + episode("g", "b", [0.0], ["y"])
    assert method(steps_of(rows)).episode == pytest.approx([-0.1, 0.0], abs=0.01)


def test_all_succeed_by_ways_of_different_length():
    # p = 1 and equal rewards: the episode level is 0, the step level prefers the short way.
    rows = episode("g", "a", [10.0], ["start"], success=True)
    rows += episode("g", "b", [0.0, 10.0], ["start", "far"], success=True)
    result = proxmo.ProxMO(similarity="exact", temperature=1e-3)(steps_of(rows))
    assert np.abs(result.episode).max() == 0.0
    assert result.step == pytest.approx([0.25, -0.25, 0.0])


@pytest.mark.parametrize("name", ["proxmo", "proxmo-step", "proxmo-released", "gigpo"])
def test_one_distinct_observation(name):
    rows = episode("g", "a", [0.0, 10.0], success=True) + episode("g", "b", [0.0, 0.0])
    result = proxmo.make(name)(steps_of(rows))
    # The baseline is the group's mean return: (9.5 + 10 + 0 + 0) / 4.
    assert result.step == pytest.approx([4.625, 5.125, -4.875, -4.875])


@each_method
def test_one_distinct_observation_gives_numbers(name):
    rows = episode("g", "a", [0.0, 10.0], success=True) + episode("g", "b", [0.0, 0.0])
    assert finite(proxmo.make(name)(steps_of(rows)))


def test_all_observations_distinct():
    texts = [["red door", "blue door"], ["green window", "black window"]]
    rows = episode("g", "a", [0.0, 10.0], texts[0], success=True)
    rows += episode("g", "b", [0.0, 0.0], texts[1])
    assert not proxmo.GiGPO()(steps_of(rows)).step.any()
    result = proxmo.ProxMO(gamma=0.9)(steps_of(rows))
    assert result.diagnostics["credit/alone_steps"] == 1.0
    # Doors are compared with doors: TF-IDF still finds peers where exact matching has none.
    assert result.step == pytest.approx(plain_step(rows, 0.9, 0.1, 0.1))
    assert result.step[0] < 0 < result.step[1]


@each_method
@pytest.mark.parametrize(
    "texts",
    [
        ["", "   "],
        ["? !", "1 2 3"],
        ["你来到厨房。", "打开冰箱。"],
        ["Вы на кухне", "Холодильник закрыт"],
        ["مطبخ صغير", "ثلاجة"],
        ["🍎🍎", "🍏"],
    ],
    ids=["empty", "no token", "Chinese", "Russian", "Arabic", "symbols"],
)
def test_empty_and_foreign_texts(name, texts):
    rows = episode("g", "a", [0.0, 10.0], texts, success=True)
    rows += episode("g", "b", [0.0, 0.0], texts)
    assert finite(proxmo.make(name)(steps_of(rows)))


def test_foreign_words_are_told_apart():
    texts = ["Вы на кухне", "Холодильник закрыт"]
    rows = episode("g", "a", [0.0, 10.0], texts, success=True)
    rows += episode("g", "b", [0.0, 0.0], texts)
    assert proxmo.ProxMO(temperature=1e-3)(steps_of(rows)).step == pytest.approx(
        proxmo.GiGPO()(steps_of(rows)).step
    )


def test_a_text_with_no_token_is_compared_with_its_whole_group():
    # Its vector is zero, equally unlike everything: the baseline is the mean of 9 and 3.
    rows = episode("g", "a", [9.0], ["?"]) + episode("g", "b", [3.0], ["a kitchen"])
    assert proxmo.ProxMO()(steps_of(rows)).step[0] == pytest.approx(3.0)


def test_a_batch_with_no_token_gets_group_means():
    rows = episode("g", "a", [9.0], ["?"]) + episode("g", "b", [3.0], ["!"])
    assert proxmo.ProxMO()(steps_of(rows)).step == pytest.approx([3.0, -3.0])
    assert not proxmo.ProxMO.released()(steps_of(rows)).step.any()


@each_method
def test_trajectories_of_one_step(name):
    rows = [Row("g", t, 0, "start", 10.0 * (t < 2), t < 2) for t in range(4)]
    result = proxmo.make(name)(steps_of(rows))
    assert finite(result)
    assert (result.advantage[:2] > 0).all()
    assert (result.advantage[2:] < 0).all()


@each_method
def test_steps_in_any_order_and_groups_interleaved(name):
    rows = []
    for group in "gh":
        rows += episode(group, f"{group}a", [0.0, 10.0], ["start", "goal here"], success=True)
        rows += episode(group, f"{group}b", [0.0, 0.0], ["start", "nothing"], valid=[True, False])
    mixed = [7, 0, 5, 2, 1, 6, 3, 4]
    straight = proxmo.make(name)(steps_of(rows)).advantage
    found = proxmo.make(name)(steps_of([rows[i] for i in mixed])).advantage
    assert found == pytest.approx(straight[mixed])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_reward_that_is_not_finite_is_refused_naming_trajectory_and_step(value):
    with pytest.raises(proxmo.InputError, match=r"trajectory 'a', step 1"):
        steps_of(episode("g", "a", [0.0, value]))


def test_a_padded_or_duplicated_row_never_enters_a_baseline_twice():
    rows = episode("g", "a", [0.0, 10.0]) + episode("g", "b", [0.0])
    with pytest.raises(proxmo.InputError, match=r"repeats in row 3 .* padded or duplicated"):
        steps_of([*rows, rows[1]])


def test_rewards_of_any_size_keep_their_place():
    rows = [Row("g", t, 0, "start", reward) for t, reward in enumerate([1e12, 0.0, -1e12])]
    assert proxmo.ProxMO(modulation=0.0)(steps_of(rows)).advantage == pytest.approx(
        [2e12, 0.0, -2e12], abs=1e-3
    )


@each_method
@pytest.mark.parametrize("size", [1e160, 1e308])
def test_rewards_too_large_to_compute_with_are_refused_by_group(name, size):
    rows = episode("small", "a", [1.0]) + episode("large", "b", [size]) + episode("large", "c", [0])
    with pytest.raises(proxmo.InputError, match="rewards of group 'large' add up to more than"):
        proxmo.make(name)(steps_of(rows))


def test_weights_that_overflow_are_refused_by_group():
    rows = episode("g", "a", [10.0, 0.0], ["x", "y"]) + episode("g", "b", [0.0], ["x"])
    with pytest.raises(proxmo.InputError, match=r"advantage of step 0 .* in group 'g' is inf"):
        proxmo.GiGPO(step_weight=1e308)(steps_of(rows))
