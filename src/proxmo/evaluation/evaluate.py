"""An evaluation: every task played once, and scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from proxmo.episodes.play import RolloutProgress
from proxmo.evaluation.prompting.trials import prompt
from proxmo.evaluation.scores import Evaluation
from proxmo.types import FailedEpisodes

if TYPE_CHECKING:
    from proxmo.envs.base import Task
    from proxmo.policies.base import Policy


def evaluate(
    policy: Policy,
    make_env: Callable[[], Any],
    tasks: Sequence[Task],
    *,
    seed: int,
    greedy: bool = False,
    temperature: float = 1.0,
    timeout: float | None = None,
    noise: float = 0.0,
    failed_episodes: FailedEpisodes = "drop",
    on_progress: Callable[[RolloutProgress], None] | None = None,
) -> Evaluation:
    """Let the policy play every task once, told nothing but the task, and score the episodes.

    `make_env` gives a fresh environment per episode. `greedy` takes the most likely token
    each time; otherwise tokens are sampled at `temperature`. The same
    seed and tasks give the same episodes. `timeout`, `noise` and `failed_episodes` are as in
    `rollout` and `summarize`.
    """
    return prompt(
        "zero-shot",
        policy,
        make_env,
        tasks,
        seed=seed,
        greedy=greedy,
        temperature=temperature,
        timeout=timeout,
        noise=noise,
        failed_episodes=failed_episodes,
        on_progress=on_progress and (lambda _, progress: on_progress(progress)),
    ).evaluation
