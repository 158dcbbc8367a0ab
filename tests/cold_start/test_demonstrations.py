"""What is shown: an expert's episodes, and what becomes of those that broke."""

import dataclasses
import threading

import numpy as np
import pytest

from proxmo.cold_start.demonstrations import (
    TRIED,
    demonstrate,
    require_successes,
    try_expert,
)
from proxmo.envs.base import Task
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError

SPEC = EnvSpec(
    "doors", env=f"{__name__}:Doors", tasks="unused:tasks", expert=f"{__name__}:Opener", max_steps=3
)


class Doors:
    """Opens for who knocks; what is wrong with it is an option of the task."""

    made, closed, last = 0, 0, ""

    def __init__(self, max_steps):
        if Doors.made < 0:
            raise OSError("no door could be made")
        Doors.made += 1

    def reset(self, *, seed=None, options=None):
        self.fault = (options or {}).get("fault")
        if self.fault == "reset":
            raise OSError("the door is stuck")
        return ("a door" if self.fault != "observation" else 7), self.info(False)

    def step(self, action, /):
        if self.fault == "step":
            raise OSError("the door fell off")
        won = action == "knock" and self.fault != "locked"
        Doors.last = action
        return "it opens", 10.0 * won, won, not won, self.info(won)

    def info(self, won):
        actions = ["knock"] if self.fault != "silent" else []
        return {"success": won, "admissible_actions": actions, "valid": True, "goal": "open it"}

    def close(self):
        Doors.closed += 1


class Opener:
    def __init__(self, seed):
        if seed == Opener.refused:
            raise OSError("the expert is out")

    refused = -1

    def reset(self, observation):
        pass

    def act(self, observation, actions):
        return actions[0]


@pytest.fixture(autouse=True)
def _counted():
    Doors.made = Doors.closed = 0


def tasks_with(*faults):
    return [Task(str(i), fault or "fine", {"fault": fault}) for i, fault in enumerate(faults)]


def played(*faults, **options):
    return demonstrate(SPEC, tasks_with(*faults), seed=0, **options)


def test_an_expert_that_does_not_stumble_shows_its_own_choices_alone(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks, seed=0).episodes
    assert len(episodes) == len(tasks)
    assert not any(turn.stumble for turns in episodes for turn in turns)


def test_stumbles_are_as_frequent_as_asked_and_followed_by_the_way_out(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks * 10, seed=0, stumble=0.3).episodes
    turns = [turn for turns in episodes for turn in turns]
    assert np.mean([turn.stumble for turn in turns]) == pytest.approx(0.3, abs=0.05)
    assert not any(turns[-1].stumble for turns in episodes)  # the last step is the one that wins


def test_demonstrations_repeat_with_their_seed_and_vary_with_their_place(alfworld, tasks):
    one, again = (
        demonstrate(alfworld, tasks[:1] * 5, seed=3, stumble=0.3).episodes for _ in range(2)
    )
    assert one == again
    assert len({tuple(turn.action for turn in turns) for turns in one}) > 1


@pytest.mark.parametrize("fault", ["reset", "step", "observation"])
def test_what_breaks_costs_its_demonstration_only(fault):
    found = played(None, fault, None)
    assert [len(turns) for turns in found.episodes] == [1, 1]
    assert (found.played, found.errors, found.failed_types) == (2, 1, {})
    assert found.first_error is not None
    assert Doors.made == Doors.closed == 3  # also where one broke


def test_an_expert_that_raises_is_told_as_the_expert():
    found = played("silent", None)
    assert found.first_error is not None
    assert "the expert raised IndexError" in found.first_error
    assert len(found.episodes) == 1


def test_failures_are_counted_by_task_type():
    found = played(None, "locked", "locked")
    assert (found.played, found.errors, found.failed_types) == (3, 0, {"locked": 2})


def test_an_expert_that_cannot_be_made_costs_its_demonstration(monkeypatch):
    monkeypatch.setattr(Opener, "refused", 1)
    found = played(None, None, None)
    assert (len(found.episodes), found.errors) == (2, 1)
    assert "the expert raised OSError: the expert is out" in str(found.first_error)
    assert Doors.made == Doors.closed == 3


def test_an_action_that_is_no_text_is_the_experts_fault(monkeypatch):
    monkeypatch.setattr(Opener, "act", lambda self, observation, actions: None)
    assert "the expert raised TypeError: its action is None" in str(played(None).first_error)


def test_an_action_with_half_a_character_is_cleaned_before_anybody_reads_it(monkeypatch):
    monkeypatch.setattr(Opener, "act", lambda self, observation, actions: "kn\udc80ck")
    played(None)
    assert Doors.last == "kn\ufffdck"


def test_where_no_actions_are_listed_there_is_nothing_to_stumble_on(monkeypatch):
    monkeypatch.setattr(Opener, "act", lambda self, observation, actions: "knock")
    found = played("silent", stumble=0.99)
    assert [[turn.stumble for turn in turns] for turns in found.episodes] == [[False]]


def test_every_demonstration_has_an_environment_of_its_own_that_waits_in_one_thread(monkeypatch):
    monkeypatch.setattr(Doors, "waits", True, raising=False)
    played(None, None, None)
    assert Doors.made == Doors.closed == 3
    assert "proxmo-environment" not in [thread.name for thread in threading.enumerate()]


def test_an_expert_that_fails_at_most_tasks_is_no_teacher():
    try_expert(SPEC, tasks_with(None, None, "locked", "reset"), seed=0)
    with pytest.raises(InputError) as error:
        try_expert(SPEC, tasks_with(None, "locked", "locked", "reset"), seed=0)
    for part in (
        "solved 1 of 3",
        "'doors'",
        "3 steps",
        "locked 2",
        "1 more broke off",
        "max-steps",
    ):
        assert part in str(error.value)


def test_an_expert_is_tried_without_stumbles_and_on_the_first_tasks_alone():
    # Random steps make it fail, but are not its own.
    require_successes(played("locked", "locked", None), SPEC, 0.9)
    try_expert(SPEC, tasks_with(*[None] * TRIED, *["locked"] * 100), seed=0)
    assert Doors.made == 3 + TRIED


def test_demonstrations_of_which_none_succeeds_or_most_break_off_are_refused():
    with pytest.raises(InputError, match=r"none of 2 .* a share of 0\.9 .* lower --sft\.stumble"):
        require_successes(played("locked", "locked"), SPEC, 0.9)
    require_successes(played(None, "reset"), SPEC, 0.0)
    with pytest.raises(InputError, match=r"2 of 3 demonstrations .* the door is stuck"):
        require_successes(played(None, "reset", "reset"), SPEC, 0.0)


def test_an_environment_that_cannot_be_made_is_named():
    Doors.made = -1
    with pytest.raises(InputError, match=r"2 of 2 demonstrations.*no door could be made"):
        try_expert(SPEC, tasks_with(None, None), seed=0)


def test_an_environment_without_an_expert_is_refused():
    mute = dataclasses.replace(SPEC, expert=None)
    with pytest.raises(InputError, match="has no expert"):
        demonstrate(mute, [Task("t", "", {})], seed=0)
    assert Doors.made == Doors.closed
