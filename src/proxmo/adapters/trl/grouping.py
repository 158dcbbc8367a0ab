"""From the conversations of a generation batch to the advantages of their turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from proxmo.adapters.failures import credit_played
from proxmo.credit import Credit, Estimator, Steps
from proxmo.credit.diagnostics import batch_diagnostics
from proxmo.credit.groups import group_mean, group_std
from proxmo.credit.steps import columns_of
from proxmo.errors import InputError
from proxmo.types import Step, Trajectory

TRL_EPSILON = 1e-4
"""What TRL adds to a standard deviation before it divides by it."""


@dataclass(frozen=True, slots=True)
class TRLGroupRelative:
    """GRPO as TRL computes it, by `GRPOConfig.scale_rewards`: (R - mean_g(R)) / (std + 1e-4).

    "group" divides by the group's deviation, "batch" by that of all rewards, "none" by nothing.
    """

    scale_rewards: Literal["group", "batch", "none"] = "group"

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`; every step has its trajectory's."""
        rewards, groups = steps.trajectory_rewards, steps.trajectory_groups
        advantages = rewards - group_mean(rewards, groups)
        if self.scale_rewards == "group":
            advantages = advantages / (group_std(rewards, groups) + TRL_EPSILON)
        elif self.scale_rewards == "batch":
            spread = np.std(rewards, ddof=1) if len(rewards) > 1 else 0.0
            advantages = advantages / (spread + TRL_EPSILON)
        per_step = advantages[steps.trajectory_ids]
        return Credit(per_step, per_step, np.zeros_like(per_step), batch_diagnostics(steps))


def slim(trajectory: Trajectory) -> Trajectory:
    """The trajectory without prompts, responses and tokens, none of which credit reads."""
    steps = (
        replace(s, prompt="", response="", prompt_ids=(), response_ids=(), logprobs=())
        for s in trajectory.steps
    )
    return replace(trajectory, steps=tuple(steps))


def credit_batch(
    estimator: Estimator,
    trajectories: Sequence[Trajectory],
    group_size: int,
    weight: float = 1.0,
    further: Sequence[float] | None = None,
    *,
    tell: bool = True,
) -> Credit:
    """The credit of a whole generation batch, each `group_size` in a row being one group.

    Rewards are the environment's, times `weight`; `further` (one number per trajectory),
    what the user's reward functions gave the finished conversation, goes to its last step.
    Episodes that failed get none: `credit_played`, whose `tell` this is.
    """
    paid = [0.0] * len(trajectories) if further is None else further
    batch = [
        replace(
            trajectory,
            # Numbered: a task may be in a batch twice.
            group=f"{number // group_size}: {trajectory.task}",
            id=f"{number}: {trajectory.task}",
            steps=_paid(trajectory.steps, weight, paid[number]),
        )
        for number, trajectory in enumerate(trajectories)
    ]
    errors = [trajectory.error for trajectory in batch for _ in trajectory.steps]
    return credit_played(estimator, columns_of(batch), errors, tell=tell)


def _paid(steps: Sequence[Step], weight: float, further: float) -> tuple[Step, ...]:
    """The steps with their rewards times `weight`, and what was paid `further` at the last."""
    *before, last = [replace(step, reward=weight * step.reward) for step in steps]
    return (*before, replace(last, reward=last.reward + further))


def split_by_trajectory(
    values: NDArray[np.float64], trajectories: Sequence[Trajectory]
) -> list[NDArray[np.float64]]:
    """One array per trajectory of what was computed step by step, in their order."""
    ends = np.cumsum([len(trajectory.steps) for trajectory in trajectories])
    return np.split(values, ends[:-1])


def check_groups(trajectories: Sequence[Trajectory], group_size: int) -> None:
    """Refuse a batch whose groups do not share their task."""
    for start in range(0, len(trajectories), group_size):
        tasks = {trajectory.task for trajectory in trajectories[start : start + group_size]}
        if len(tasks) > 1:
            raise InputError(
                f"rows {start} to {start + group_size - 1} should be one group and are of the "
                f"tasks {', '.join(sorted(tasks))}; leave the sampler of TRL's trainer as it is"
            )
