"""Playing tasks by a prompting method: one attempt at each, or several with lessons between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from proxmo.envs.base import Task
from proxmo.episodes.play import RolloutProgress, rollout
from proxmo.errors import InputError
from proxmo.evaluation.prompting.examples import Example, few_shot
from proxmo.evaluation.prompting.reflection import reflect, told_lessons
from proxmo.evaluation.scores import Evaluation, summarize
from proxmo.policies.base import Policy, Usage
from proxmo.policies.metered import MeteredPolicy
from proxmo.types import FailedEpisodes, Trajectory

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
    """Share of all tasks that were solved in this trial or an earlier one; without those whose
    every attempt the environment broke off, unless they count as failures."""


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
    timeout: float | None = None,
    noise: float = 0.0,
    failed_episodes: FailedEpisodes = "drop",
    on_progress: Callable[[int, RolloutProgress], None] | None = None,
) -> Prompted:
    """Play every task by `method` and score it.

    `examples` are what `react` and `reflexion` tell, `trials` how often `reflexion` tries a
    task; `on_progress` is told the number of the trial, from 1, and where it stands. Success
    after several trials is success in any of them: the environment's verdict is used between
    attempts, as in the paper, so it compares with other methods only at as many attempts. An
    attempt that the environment broke off teaches no lesson; its task is tried again.

    `timeout`, `noise` and `failed_episodes` are as in `rollout` and `summarize`.
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
            timeout=timeout,
            noise=noise,
            on_progress=on_progress and (lambda progress, n=trial + 1: on_progress(n, progress)),
        )
        for trajectory in played:
            best[trajectory.task] = max(
                trajectory, best.get(trajectory.task, trajectory), key=_merit
            )
        lost = [t for t in played if not t.success and not t.failed]
        left = [task for task in left if not best[task.id].success]
        solved = sum(trajectory.success for trajectory in played)
        judged = len(tasks)
        if failed_episodes == "drop":
            judged = sum(not trajectory.failed for trajectory in best.values())
        solved_so_far = sum(trajectory.success for trajectory in best.values())
        done.append(Trial(len(played), solved, solved_so_far / max(judged, 1)))
        if not left or trial == trials - 1 or method != "reflexion":
            break
        if not lost:
            continue
        written = reflect(
            metered,
            lost,
            [lessons[trajectory.task] for trajectory in lost],
            seed=seed,
            trial=trial,
            temperature=temperature,
            greedy=greedy,
        )
        for trajectory, lesson in zip(lost, written, strict=True):
            if lesson:
                lessons[trajectory.task].append(lesson)
    return Prompted(summarize(list(best.values()), failed_episodes), tuple(done), metered.usage)


def _merit(trajectory: Trajectory) -> tuple[bool, bool, float]:
    return trajectory.success, not trajectory.failed, trajectory.score or 0.0


def _joined(*paragraphs: str) -> str:
    return "\n\n".join(filter(None, paragraphs))
