"""Success over episodes, with the uncertainty that their number leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import binomtest

from proxmo.errors import InputError, ProxmoError
from proxmo.types import FailedEpisodes, Trajectory

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
    cut: float
    """Share of all steps whose prompt left something out for want of room."""
    errors: int
    """Episodes that the environment broke off: beside `episodes`, or among them and their failures
    where that was asked for."""
    score: float | None = None
    """Mean of the environment's own grades, where it gives them; an episode without a grade
    counts 0."""

    @property
    def success(self) -> float:
        """Share of episodes that succeeded."""
        return self.successes / self.episodes


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores over all episodes and per task type."""

    overall: Score
    types: dict[str, Score]
    """Keyed by task type, in alphabetical order; without those of which no episode counts."""
    broken_types: dict[str, int] = field(default_factory=dict)
    """Task types of which no episode counts, and how many the environment broke off."""
    first_error: str | None = None
    """What the environment raised in the first episode that it broke off."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "overall": _score_dict(self.overall),
            "first_error": self.first_error,
            "types": {name: _score_dict(score) for name, score in self.types.items()},
            "broken_types": self.broken_types,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Evaluation:
        """The evaluation that `to_dict` made `data` of, also before it counted what broke."""
        return cls(
            overall=_score_from(data["overall"]),
            types={name: _score_from(score) for name, score in data["types"].items()},
            broken_types=data.get("broken_types", {}),
            first_error=data.get("first_error"),
        )


def summarize(
    trajectories: Sequence[Trajectory], failed_episodes: FailedEpisodes = "drop"
) -> Evaluation:
    """Score trajectories; at least one is needed. The first error is the first in their order.

    Episodes that the environment broke off are counted, and under `drop` enter no rate and no
    mean; under `fail` they count as failures, while lengths, invalid actions and cut prompts are
    those of the others, 0 where there are none.

    Raises:
        InputError: when there is no trajectory.
        ProxmoError: when the environment broke off all of them, with the first error.
    """
    if not trajectories:
        raise InputError("no trajectories to evaluate: give at least one task")
    errors = [trajectory.error for trajectory in trajectories if trajectory.error is not None]
    if len(errors) == len(trajectories):
        raise ProxmoError(
            f"the environment broke off all {len(errors)} episodes of the evaluation; the first "
            f"error was: {errors[0]}"
        )
    by_type: dict[str, list[Trajectory]] = defaultdict(list)
    for trajectory in trajectories:
        by_type[trajectory.task_type].append(trajectory)
    broken = {
        name: len(own)
        for name, own in sorted(by_type.items())
        if failed_episodes == "drop" and all(trajectory.failed for trajectory in own)
    }
    return Evaluation(
        overall=_score(trajectories, failed_episodes),
        types={
            name: _score(own, failed_episodes)
            for name, own in sorted(by_type.items())
            if name not in broken
        },
        broken_types=broken,
        first_error=errors[0] if errors else None,
    )


def _score(trajectories: Sequence[Trajectory], failed_episodes: FailedEpisodes) -> Score:
    sound = [trajectory for trajectory in trajectories if not trajectory.failed]
    judged = trajectories if failed_episodes == "fail" else sound
    successes = sum(trajectory.success for trajectory in judged)
    # Wilson's interval stays inside [0, 1] and is never empty at 0 or n successes.
    interval = binomtest(successes, len(judged)).proportion_ci(CONFIDENCE, method="wilson")
    steps = [step for trajectory in sound for step in trajectory.steps]
    graded = [None if trajectory.failed else trajectory.score for trajectory in judged]
    return Score(
        episodes=len(judged),
        successes=successes,
        low=float(interval.low),
        high=float(interval.high),
        steps=len(steps) / max(len(sound), 1),
        invalid=sum(not step.valid for step in steps) / max(len(steps), 1),
        cut=sum(step.cut for step in steps) / max(len(steps), 1),
        errors=len(trajectories) - len(sound),
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
        "cut_prompts": score.cut,
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
        cut=data.get("cut_prompts", 0.0),
        errors=data.get("errors", 0),
        score=data.get("score"),
    )
