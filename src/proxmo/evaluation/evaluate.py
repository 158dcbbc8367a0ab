"""Success of a policy over tasks, with the uncertainty that the number of episodes leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scipy.stats import binomtest

from proxmo.episodes.play import RolloutProgress, rollout
from proxmo.errors import InputError
from proxmo.types import Trajectory

if TYPE_CHECKING:
    from proxmo.envs.base import Task
    from proxmo.policies.base import Policy

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Score:
    """What a set of episodes came to."""

    episodes: int
    successes: int
    low: float
    """Lower end of the 95 % Wilson interval of the success rate."""
    high: float
    """Upper end of the same interval."""
    steps: float
    """Mean length of an episode, in steps."""
    invalid: float
    """Share of all steps whose action was invalid."""
    errors: int
    """Episodes that the environment broke off; they count as failures."""
    score: float | None = None
    """Mean of the environment's own grades, where it gives them; an episode that broke off
    before its first grade counts 0."""

    @property
    def success(self) -> float:
        """Share of episodes that succeeded."""
        return self.successes / self.episodes


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores over all episodes and per task type."""

    overall: Score
    types: dict[str, Score]
    """Keyed by task type, in alphabetical order."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "overall": _score_dict(self.overall),
            "types": {name: _score_dict(score) for name, score in self.types.items()},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Evaluation:
        """The evaluation that `to_dict` made `data` of."""
        return cls(
            overall=_score_from(data["overall"]),
            types={name: _score_from(score) for name, score in data["types"].items()},
        )


def summarize(trajectories: Sequence[Trajectory]) -> Evaluation:
    """Score trajectories, in any order; at least one is needed."""
    if not trajectories:
        raise InputError("no trajectories to evaluate: give at least one task")
    by_type: dict[str, list[Trajectory]] = defaultdict(list)
    for trajectory in trajectories:
        by_type[trajectory.task_type].append(trajectory)
    return Evaluation(
        overall=_score(trajectories),
        types={name: _score(by_type[name]) for name in sorted(by_type)},
    )


def evaluate(
    policy: Policy,
    make_env: Callable[[], Any],
    tasks: Sequence[Task],
    *,
    seed: int,
    greedy: bool = False,
    temperature: float = 1.0,
    on_progress: Callable[[RolloutProgress], None] | None = None,
) -> Evaluation:
    """Let the policy play every task once and score the episodes.

    `make_env` gives a fresh environment per episode. `greedy` takes the most likely token
    each time; otherwise tokens are sampled at `temperature`. The same
    seed and tasks give the same episodes.
    """
    if not tasks:
        raise InputError("no tasks to evaluate on: choose another split or more tasks")
    trajectories = rollout(
        policy,
        make_env,
        tasks,
        group_size=1,
        seed=seed,
        temperature=temperature,
        greedy=greedy,
        on_progress=on_progress,
    )
    return summarize(trajectories)


def _score(trajectories: Sequence[Trajectory]) -> Score:
    successes = sum(trajectory.success for trajectory in trajectories)
    # Wilson's interval stays inside [0, 1] and is never empty at 0 or n successes.
    interval = binomtest(successes, len(trajectories)).proportion_ci(CONFIDENCE, method="wilson")
    steps = sum(len(trajectory.steps) for trajectory in trajectories)
    graded = [trajectory.score for trajectory in trajectories]
    invalid = sum(not step.valid for trajectory in trajectories for step in trajectory.steps)
    return Score(
        episodes=len(trajectories),
        successes=successes,
        low=float(interval.low),
        high=float(interval.high),
        steps=steps / len(trajectories),
        invalid=invalid / steps,
        errors=sum(trajectory.error is not None for trajectory in trajectories),
        score=None
        if all(grade is None for grade in graded)
        else sum(grade or 0.0 for grade in graded) / len(graded),
    )


def _score_dict(score: Score) -> dict[str, Any]:
    return {
        "success": score.success,
        "interval": [score.low, score.high],
        "episodes": score.episodes,
        "successes": score.successes,
        "steps": score.steps,
        "invalid": score.invalid,
        "errors": score.errors,
        **({} if score.score is None else {"score": score.score}),
    }


def _score_from(data: dict[str, Any]) -> Score:
    low, high = data["interval"]
    return Score(
        episodes=data["episodes"],
        successes=data["successes"],
        low=low,
        high=high,
        steps=data["steps"],
        invalid=data["invalid"],
        errors=data["errors"],
        score=data.get("score"),
    )
