"""What is shown: an expert's episodes, and what becomes of those that broke."""

import dataclasses

import numpy as np
import pytest

from proxmo.cold_start.demonstrations import demonstrate, require_most
from proxmo.envs.base import Task
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError

SPEC = EnvSpec(
    "doors", env=f"{__name__}:Doors", tasks="unused:tasks", expert=f"{__name__}:Opener", max_steps=3
)


class Doors:
    """Opens for who knocks; what is wrong with it is an option of the task."""

    made, closed = 0, 0

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
        return "it opens", 10.0 * won, won, not won, self.info(won)

    def info(self, won):
        actions = ["knock"] if self.fault != "silent" else []
        return {"success": won, "admissible_actions": actions, "valid": True, "goal": "open it"}

    def close(self):
        Doors.closed += 1


class Opener:
    def __init__(self, seed):
        pass

    def reset(self, observation):
        pass

    def act(self, observation, actions):
        return actions[0]


@pytest.fixture(autouse=True)
def _counted():
    Doors.made = Doors.closed = 0


def played(*faults):
    tasks = [Task(str(i), fault or "fine", {"fault": fault}) for i, fault in enumerate(faults)]
    return demonstrate(SPEC, tasks, seed=0)


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
    assert Doors.made == Doors.closed == 2  # what broke is not played in again


def test_an_expert_that_raises_is_told_as_the_expert():
    found = played("silent", None)
    assert found.first_error is not None
    assert "the expert raised IndexError" in found.first_error
    assert len(found.episodes) == 1


def test_failures_are_counted_by_task_type():
    found = played(None, "locked", "locked")
    assert (found.played, found.errors, found.failed_types) == (3, 0, {"locked": 2})


def test_an_expert_that_fails_at_most_tasks_is_no_teacher():
    require_most(played(None, None, "locked", "reset"), SPEC, None)
    with pytest.raises(InputError) as error:
        require_most(played(None, "locked", "locked", "reset"), SPEC, None)
    for part in (
        "solved 1 of 3",
        "'doors'",
        "3 steps",
        "locked 2",
        "1 more broke off",
        "max-steps",
    ):
        assert part in str(error.value)


def test_an_environment_that_cannot_be_made_is_named():
    Doors.made = -1
    with pytest.raises(InputError, match=r"broke off all 2 demonstrations.*no door could be made"):
        require_most(played(None, None), SPEC, None)


def test_an_environment_without_an_expert_is_refused():
    mute = dataclasses.replace(SPEC, expert=None)
    with pytest.raises(InputError, match="has no expert"):
        demonstrate(mute, [Task("t", "", {})], seed=0)
    assert Doors.made == Doors.closed
