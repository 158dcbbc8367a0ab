"""Playing tasks by a prompting method: one attempt at each, or several with lessons between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from proxmo.envs.base import Task
from proxmo.episodes.play import RolloutProgress, rollout
from proxmo.errors import InputError
from proxmo.evaluation.evaluate import Evaluation, summarize
from proxmo.evaluation.prompting.examples import Example, few_shot
from proxmo.evaluation.prompting.reflection import reflect, told_lessons
from proxmo.policies.base import Policy, Usage
from proxmo.policies.metered import MeteredPolicy
from proxmo.types import Trajectory

Method = Literal["zero-shot", "react", "reflexion"]
"""`zero-shot`: the task and nothing else. `react`: examples of thoughts and actions before it
(Yao et al. 2023). `reflexion`: as `react`, and what failed is tried again, after the model has
written down why (Shinn et al. 2023)."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One attempt at every task that none had solved before."""

    played: int
    solved: int
    success: float
    """Share of all tasks that were solved in this trial or an earlier one."""


@dataclass(frozen=True, slots=True)
class Prompted:
    """What a method came to."""

    evaluation: Evaluation
    """Of each task's best attempt: the one that succeeded, else the best graded."""
    trials: tuple[Trial, ...]
    usage: Usage
    """Cost of all attempts and of the lessons between them."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            **self.evaluation.to_dict(),
            "trials": [asdict(trial) for trial in self.trials],
            "usage": asdict(self.usage),
        }


def prompt(
    method: Method,
    policy: Policy,
    make_env: Callable[[], Any],
    tasks: Sequence[Task],
    *,
    seed: int,
    examples: Sequence[Example] = (),
    trials: int = 1,
    temperature: float = 1.0,
    greedy: bool = False,
    on_progress: Callable[[int, RolloutProgress], None] | None = None,
) -> Prompted:
    """Play every task by `method` and score it.

    `examples` are what `react` and `reflexion` tell, `trials` how often `reflexion` tries a
    task; `on_progress` is told the number of the trial, from 1, and where it stands. Success
    after several trials is success in any of them: the environment's verdict is used between
    attempts, as in the paper, so it compares with other methods only at as many attempts.
    """
    if not tasks:
        raise InputError("no tasks to evaluate on: choose another split or more tasks")
    if method != "zero-shot" and policy.prompter.style != "think":
        raise InputError(
            f"method {method!r} needs thoughts, and this model is prompted without any; use "
            "--prompt think or --method zero-shot"
        )
    metered = MeteredPolicy(policy)
    introduce = (lambda task: "") if method == "zero-shot" else few_shot(examples, policy.prompter)
    lessons: dict[str, list[str]] = defaultdict(list)
    best: dict[str, Trajectory] = {}
    left, done = list(tasks), list[Trial]()
    for trial in range(trials if method == "reflexion" else 1):
        played = rollout(
            metered,
            make_env,
            left,
            group_size=1,
            seed=seed,
            temperature=temperature,
            greedy=greedy,
            guidance=lambda task: _joined(introduce(task), told_lessons(lessons[task.id])),
            first_member=trial,
            on_progress=on_progress and (lambda progress, n=trial + 1: on_progress(n, progress)),
        )
        for trajectory in played:
            best[trajectory.task] = max(
                trajectory, best.get(trajectory.task, trajectory), key=_merit
            )
        failed = [trajectory for trajectory in played if not trajectory.success]
        left = [task for task in left if not best[task.id].success]
        solved = len(played) - len(failed)
        done.append(Trial(len(played), solved, 1.0 - len(left) / len(tasks)))
        if not left or trial == trials - 1 or method != "reflexion":
            break
        written = reflect(
            metered,
            failed,
            [lessons[trajectory.task] for trajectory in failed],
            seed=seed,
            trial=trial,
            temperature=temperature,
            greedy=greedy,
        )
        for trajectory, lesson in zip(failed, written, strict=True):
            if lesson:
                lessons[trajectory.task].append(lesson)
    return Prompted(summarize(list(best.values())), tuple(done), metered.usage)


def _merit(trajectory: Trajectory) -> tuple[bool, float]:
    return trajectory.success, trajectory.score or 0.0


def _joined(*paragraphs: str) -> str:
    return "\n\n".join(filter(None, paragraphs))
