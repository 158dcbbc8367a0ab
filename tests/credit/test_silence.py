"""Batches that teach nothing, or would never end, are warned of by what is wrong with them."""

import warnings

import pytest
from credit_batches import episode, steps_of

import proxmo
from proxmo.credit import soft
from proxmo.errors import ProxmoWarning

ALL = tuple(name for name in proxmo.CREDIT if name != "proxmo-released")
each_method = pytest.mark.parametrize("name", ALL)


def warned(name, *rows):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        proxmo.make(name)(steps_of([row for part in rows for row in part]))
    assert all(issubclass(warning.category, ProxmoWarning) for warning in caught)
    return [str(warning.message) for warning in caught]


@each_method
def test_a_group_in_which_outcomes_differ_is_not_warned_of(name):
    won = episode("g", "a", [0.0, 10.0], ["x", "y"], success=True)
    assert warned(name, won, episode("g", "b", [0.0, 0.0], ["x", "z"])) == []


@each_method
def test_groups_of_one_trajectory_are_warned_of(name):
    (message,) = warned(name, episode("g", "a", [10.0]), episode("h", "b", [0.0]))
    assert "every group has one trajectory" in message
    assert "at least two" in message


@each_method
def test_trajectory_ids_for_groups_are_told_apart_from_groups_of_one(name):
    (message,) = warned(name, episode("a", "a", [10.0]), episode("b", "b", [0.0]))
    assert "the column 'group' holds the ids of trajectories" in message


@each_method
def test_a_batch_in_which_all_fail_is_warned_of(name):
    (message,) = warned(name, episode("g", "a", [0.0]), episode("g", "b", [0.0]))
    assert "every advantage is 0" in message


@each_method
def test_weights_that_move_by_charges_alone_are_warned_of(name):
    charged = episode("g", "a", [0.0, 0.0], ["x", "y"], valid=[False, True])
    (message,) = warned(name, charged, episode("g", "b", [0.0], ["x"]))
    assert "charges for invalid actions alone" in message


def test_a_step_level_tells_early_from_late_where_all_succeed():
    rows = (
        episode("g", "a", [0.0, 10.0], ["x", "y"], success=True),
        episode("g", "b", [10.0], ["x"], success=True),
    )
    assert warned("gigpo", *rows) == []
    assert warned("proxmo", *rows) == []
    (message,) = warned("grpo", *rows)
    assert "no group has a signal" in message


def test_the_warning_points_at_who_asked():
    with pytest.warns(ProxmoWarning) as caught:
        proxmo.GRPO()(steps_of(episode("g", "a", [0.0])))
    assert caught[0].filename == __file__


def test_groups_too_large_to_be_compared_are_warned_of(monkeypatch):
    monkeypatch.setattr(soft, "_PAIRS", 8)
    won = episode("g", "a", [0.0, 10.0], ["x x", "y y"], success=True)
    with pytest.warns(ProxmoWarning, match="the largest group has 3 distinct states") as caught:
        proxmo.ProxMO()(steps_of(won + episode("g", "b", [0.0], ["z z"])))
    assert caught[0].filename == __file__
