"""Every task is played by every member of its group, and every episode comes back."""

import random
import re
from dataclasses import replace
from functools import partial
from operator import ne

import pytest

from proxmo import GiGPO, ProxMO, Steps
from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.envs.noise import quiet
from proxmo.episodes.play import rollout
from proxmo.errors import InputError
from proxmo.policies.scripted import ScriptedPolicy
from proxmo.prompts import Prompter


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


def test_a_task_that_is_listed_again_is_played_by_further_members():
    task = Task("t", "count", {"steps": 1})
    policy = ScriptedPolicy(lambda row, turn, prompt: "wait")
    played = rollout(policy, Countdown, [task, task], group_size=2, seed=0, first_member=5)
    assert [t.id for t in played] == ["t#5", "t#6", "t#7", "t#8"]


def random_play(seed=0, noise=1.0):
    """Two groups of games, played at random."""
    spec = registry.get("alfworld")
    found = spec.load_tasks("train", seed=3, count=2)
    rng = random.Random(7)

    def act(row, turn, prompt):
        return rng.choice(re.findall(r"'([^']*)'", prompt.rpartition("Admissible actions:")[2]))

    prompter = Prompter("think")
    policy = ScriptedPolicy(
        lambda *asked: prompter.response("so", act(*asked)), context="window", prompter=prompter
    )
    make_env = partial(spec.make, max_steps=15)
    tasks = [found[0], found[1]]
    return rollout(policy, make_env, tasks, group_size=4, seed=seed, noise=noise)


def seen(played):
    return [step.observation for trajectory in played for step in trajectory.steps]


def test_the_members_of_a_group_meet_different_noise_and_the_same_states():
    played, plain = random_play(), random_play(noise=0.0)
    assert len(set(seen(played))) == len(seen(played)) > 100
    assert [quiet(text) for text in seen(played)] == seen(plain)
    assert len({quiet(t.steps[0].observation) for t in played}) == 2


def test_noise_follows_from_the_seed():
    first, again, other = random_play(), random_play(), random_play(seed=1)
    assert seen(first) == seen(again)
    assert {*seen(first)}.isdisjoint(seen(other))


def test_some_noise_is_part_of_all_noise():
    plain, some, all_ = (seen(random_play(noise=amount)) for amount in (0.0, 0.5, 1.0))
    assert all(s in (p, a) for p, s, a in zip(plain, some, all_, strict=True))
    share = sum(map(ne, plain, some)) / len(plain)
    assert abs(share - 0.5) < 4 * 0.5 / len(plain) ** 0.5


def test_among_noise_exact_matching_has_nothing_to_match():
    """Rewards by hand, so that there is something to credit."""
    played = [
        replace(t, steps=tuple(replace(s, reward=float(n % 3)) for n, s in enumerate(t.steps)))
        for t in random_play()
    ]
    steps = Steps.from_trajectories(played)
    assert GiGPO()(steps).step == pytest.approx(0.0, abs=1e-12)
    assert max(abs(ProxMO()(steps).step)) > 0.01


@pytest.mark.parametrize("noise", [-0.5, 1.5, float("nan")])
def test_noise_that_is_no_share_is_refused_before_anything_is_played(noise):
    with pytest.raises(InputError, match="from 0 to 1"):
        random_play(noise=noise)
