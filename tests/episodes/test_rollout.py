"""Every task is played by every member of its group, and every episode comes back."""

import pytest

from proxmo.envs.base import Task
from proxmo.episodes.play import rollout
from proxmo.policies.scripted import ScriptedPolicy


class Countdown:
    """Ends after as many steps as the task says; breaks where the task says."""

    def reset(self, *, seed=None, options=None):
        assert options is not None
        self.left, self.breaks = options["steps"], options.get("breaks")
        if self.breaks == "reset":
            raise OSError("no such room")
        return f"seed {seed}", {"admissible_actions": (), "goal": "wait"}

    def step(self, action):
        self.left -= 1
        if self.breaks == "step" and self.left == 0:
            raise RuntimeError("the floor gave way")
        over = self.left == 0
        return "again", 1.0, over, False, {"success": over, "admissible_actions": ()}


def play(options, seed=0, group_size=2):
    asked = []

    def act(row, turn, prompt):
        asked.append((turn, row))
        return "wait"

    tasks = [Task(f"t{n}", "count", table) for n, table in enumerate(options)]
    return rollout(ScriptedPolicy(act), Countdown, tasks, group_size=group_size, seed=seed), asked


def test_trajectories_are_ordered_by_task_then_member():
    played, _ = play([{"steps": 3}, {"steps": 1}])
    assert [t.id for t in played] == ["t0#0", "t0#1", "t1#0", "t1#1"]
    assert [t.group for t in played] == ["t0", "t0", "t1", "t1"]
    assert [len(t.steps) for t in played] == [3, 3, 1, 1]
    assert all(t.success and not t.truncated for t in played)


def test_a_group_shares_its_start_and_no_other_group_does():
    first, twin, other, _ = play([{"steps": 1}, {"steps": 1}])[0]
    assert first.seed == twin.seed != other.seed
    assert first.steps[0].observation == twin.steps[0].observation == f"seed {first.seed}"
    assert play([{"steps": 1}], seed=1)[0][0].seed != first.seed
    assert play([{"steps": 1}])[0][0].seed == first.seed


def test_episodes_that_ended_are_asked_no_more():
    _, asked = play([{"steps": 3}, {"steps": 1}], group_size=1)
    assert asked == [(0, 0), (0, 1), (1, 0), (2, 0)]


def test_an_environment_that_breaks_costs_its_own_episode_only():
    options = [{"steps": 2}, {"steps": 2, "breaks": "reset"}, {"steps": 2, "breaks": "step"}]
    whole, unborn, broken = play(options, group_size=1)[0]
    assert (whole.success, whole.error) == (True, None)
    assert (unborn.success, unborn.truncated) == (False, True)
    assert unborn.error == "OSError: no such room"
    assert [step.response_ids for step in unborn.steps] == [()]
    assert (broken.success, broken.truncated) == (False, True)
    assert broken.error == "RuntimeError: the floor gave way"
    assert [(step.reward, step.valid) for step in broken.steps] == [(1.0, True), (0.0, True)]


class Careless(Countdown):
    """Its second step answers as the task says."""

    def reset(self, *, seed=None, options=None):
        self.answer = (options or {})["answer"]
        return super().reset(seed=seed, options={"steps": 3})

    def step(self, action):
        good = super().step(action)
        return good if self.left == 2 else self.answer


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (("well", 10.0, True, False, {}), "KeyError: \"info['success'] is missing"),
        (("well", None, True, False, {"success": True}), "TypeError: reward is None, not a number"),
        (("well", float("nan"), True, False, {"success": True}), "ValueError: reward is nan"),
        ((None, 10.0, True, False, {"success": True}), "TypeError: observation is None"),
        (
            ("well", 10.0, True, False, {"success": True, "score": "A"}),
            "TypeError: info['score'] is 'A'",
        ),
    ],
)
def test_an_answer_that_is_none_ends_the_episode_and_pays_nothing(answer, error):
    policy = ScriptedPolicy(lambda row, turn, prompt: "wait")
    task = Task("t", "count", {"answer": answer})
    (played,) = rollout(policy, Careless, [task], group_size=1, seed=0)
    assert played.error is not None
    assert played.error.startswith(error)
    assert (played.success, played.truncated) == (False, True)
    assert [step.reward for step in played.steps] == [1.0, 0.0]
    assert [step.observation for step in played.steps] == [f"seed {played.seed}", "again"]


def test_environments_are_closed_when_the_policy_breaks():
    closed = []

    class Door(Countdown):
        def close(self):
            closed.append(self)

    def act(row, turn, prompt):
        raise MemoryError

    tasks = [Task(f"t{n}", "count", {"steps": 3}) for n in range(2)]
    with pytest.raises(MemoryError):
        rollout(ScriptedPolicy(act), Door, tasks, group_size=2, seed=0)
    assert len(set(map(id, closed))) == 4


class Graded(Countdown):
    """Grades the episode by the steps that are over."""

    def step(self, action):
        observation, reward, over, cut, info = super().step(action)
        return observation, reward, over, cut, info | {"score": 1 / (1 + self.left)}


def test_the_last_grade_of_the_environment_is_kept():
    task = Task("t", "count", {"steps": 3})
    policy = ScriptedPolicy(lambda row, turn, prompt: "wait")
    (graded,) = rollout(policy, Graded, [task], group_size=1, seed=0)
    (plain,) = rollout(policy, Countdown, [task], group_size=1, seed=0)
    assert graded.score == 1.0
    assert plain.score is None
