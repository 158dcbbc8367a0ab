"""Scores worked by hand, and evaluation of a scripted policy in a toy environment."""

import json
import math
from dataclasses import replace

import pytest

from proxmo.envs.base import Task
from proxmo.errors import InputError, ProxmoError
from proxmo.evaluation.evaluate import evaluate
from proxmo.evaluation.scores import Evaluation, summarize
from proxmo.evaluation.tasks import sample_tasks
from proxmo.policies.scripted import ScriptedPolicy
from proxmo.types import Step, Trajectory


def episode(success, *, task_type="pick", valid=(True,), error=None, score=None):
    steps = tuple(Step("o", "p", "r", "a", reward=0.0, valid=flag) for flag in valid)
    return Trajectory("t", "g", "t", task_type, 0, steps, success, error=error, score=score)


def wilson(successes, episodes):
    """Wilson's 95 % interval, from its textbook formula."""
    z, p = 1.959963984540054, successes / episodes
    centre = (p + z * z / (2 * episodes)) / (1 + z * z / episodes)
    spread = z * math.sqrt(p * (1 - p) / episodes + z * z / (4 * episodes**2))
    spread /= 1 + z * z / episodes
    return centre - spread, centre + spread


class Doors:
    """Opens for "open"; three steps at most."""

    def reset(self, *, seed=None, options=None):
        assert options is not None
        self.steps, self.key = 0, options["key"]
        return "A door.", {"admissible_actions": ["open", "wait"], "goal": "get out"}

    def step(self, action):
        self.steps += 1
        opened = action == "open" and self.key
        info = {"success": opened, "valid": action in ("open", "wait"), "admissible_actions": []}
        return "A door.", 10.0 * opened, opened, self.steps == 3, info


def test_success_is_counted_per_type_and_overall():
    scored = summarize(
        [
            episode(True, task_type="pick"),
            episode(False, task_type="pick"),
            episode(True, task_type="heat"),
            episode(True, task_type="heat"),
        ]
    )
    assert scored.overall.success == 0.75
    assert {name: score.success for name, score in scored.types.items()} == {
        "heat": 1.0,
        "pick": 0.5,
    }
    assert list(scored.types) == ["heat", "pick"]


@pytest.mark.parametrize(("successes", "episodes"), [(0, 5), (5, 5), (3, 7), (52, 140)])
def test_the_interval_is_wilsons(successes, episodes):
    score = summarize([episode(i < successes) for i in range(episodes)]).overall
    low, high = wilson(successes, episodes)
    assert (score.low, score.high) == pytest.approx((low, high), abs=1e-9)
    assert 0 <= score.low <= score.success <= score.high <= 1


def test_lengths_and_invalid_actions_are_means_over_episodes_and_steps():
    score = summarize(
        [episode(True, valid=[True, False, False]), episode(False, valid=[True])]
    ).overall
    assert score.steps == 2.0  # (3 + 1) / 2 episodes
    assert score.invalid == 0.5  # 2 of 4 steps


def test_an_episode_that_an_environment_broke_off_enters_no_rate_and_no_mean():
    sound = [episode(True, score=1.0), episode(False, valid=(True, False), score=0.0)]
    broken = episode(False, valid=(True,) * 9, error="ValueError: no", score=0.5)
    scored = summarize([*sound, broken])
    assert scored.overall == replace(summarize(sound).overall, errors=1)
    assert (scored.overall.episodes, scored.overall.success) == (2, 0.5)
    assert (scored.overall.score, scored.overall.steps) == (0.5, 1.5)
    assert scored.first_error == "ValueError: no"
    assert Evaluation.from_dict(json.loads(json.dumps(scored.to_dict()))) == scored


def test_an_episode_that_broke_counts_as_a_failure_where_that_is_asked_for():
    broken = episode(False, valid=(True,) * 9, error="ValueError: no")
    score = summarize([episode(True, score=1.0), broken], "fail").overall
    assert (score.episodes, score.errors, score.success, score.score) == (2, 1, 0.5, 0.5)
    assert (score.steps, score.invalid) == (1.0, 0.0), "what it did tells nothing of the policy"


def test_a_task_type_of_which_no_episode_is_left_has_no_rate():
    scored = summarize([episode(True), episode(False, task_type="heat", error="OSError: no")])
    assert list(scored.types) == ["pick"]
    assert (scored.overall.success, scored.overall.errors) == (1.0, 1)
    assert scored.to_dict()["broken_types"] == scored.broken_types == {"heat": 1}


def test_a_task_type_of_which_every_episode_broke_failed_where_that_is_asked_for():
    broken = episode(False, task_type="heat", error="OSError: no", score=0.5)
    scored = summarize([episode(True, score=1.0), broken], "fail")
    heat = scored.types["heat"]
    assert (heat.episodes, heat.success, heat.steps, heat.errors) == (1, 0.0, 0.0, 1)
    assert scored.overall.score == 0.5, "the grade it had reached is not the policy's"
    assert scored.broken_types == {}


def test_cut_prompts_are_a_share_of_all_steps():
    whole = episode(True, valid=(True,) * 3)
    cut = replace(whole, steps=(replace(whole.steps[0], cut=True),))
    broken = replace(cut, error="OSError: no")
    scored = summarize([whole, cut, broken])
    assert scored.overall.cut == scored.to_dict()["overall"]["cut_prompts"] == 0.25


def test_when_every_episode_broke_off_there_is_no_result():
    broken = [episode(False, error=f"OSError: {n}") for n in range(4)]
    with pytest.raises(ProxmoError, match=r"broke off all 4 episodes .* OSError: 0") as error:
        summarize(broken)
    assert not isinstance(error.value, InputError)


def test_the_order_of_episodes_does_not_matter():
    episodes = [episode(i % 3 == 0, task_type=f"type {i % 2}") for i in range(9)]
    assert summarize(episodes) == summarize(episodes[::-1])


def test_scores_survive_json():
    scored = summarize([episode(True), episode(False)])
    read = json.loads(json.dumps(scored.to_dict()))
    assert read["overall"]["success"] == 0.5
    assert read["types"]["pick"]["interval"] == pytest.approx(wilson(1, 2))
    assert Evaluation.from_dict(read) == scored


def test_nothing_to_evaluate_is_refused():
    with pytest.raises(InputError, match="no trajectories"):
        summarize([])
    with pytest.raises(InputError, match="no tasks"):
        evaluate(ScriptedPolicy(lambda *_: "open"), Doors, [], seed=0)


def test_every_task_is_played_once_and_scored():
    tasks = [Task(f"door {i}", "door", {"key": i < 3}) for i in range(4)]
    told = []
    scored = evaluate(
        ScriptedPolicy(lambda row, turn, prompt: "open"),
        Doors,
        tasks,
        seed=0,
        on_progress=told.append,
    )
    assert (scored.overall.episodes, scored.overall.successes) == (4, 3)
    assert scored.overall.steps == (1 + 1 + 1 + 3) / 4
    assert (told[-1].episodes, told[-1].successes) == (4, 3)


def test_sampled_tasks_are_distinct_and_the_same_for_the_same_seed():
    tasks = [Task(str(i), "door") for i in range(100)]
    drawn = sample_tasks(tasks, 20, seed=1)
    assert len({task.id for task in drawn}) == 20
    assert drawn == sample_tasks(tasks, 20, seed=1) != sample_tasks(tasks, 20, seed=2)
    # Not the first twenty, which in an official split are all of one type.
    assert max(int(task.id) for task in drawn) >= 50
    assert sample_tasks(tasks, 0, seed=1) == sample_tasks(tasks, 200, seed=1) == tasks


def test_grades_are_averaged_where_the_environment_gives_them():
    graded = summarize([episode(True, score=1.0), episode(False, score=0.5), episode(False)])
    assert graded.overall.score == pytest.approx(0.5), "broken off ungraded counts 0"
    assert Evaluation.from_dict(json.loads(json.dumps(graded.to_dict()))) == graded
    assert summarize([episode(True)]).overall.score is None
