"""From the conversations of a generation batch to the advantages of their turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from proxmo.adapters.failures import credit_survivors
from proxmo.credit import Credit, Estimator, Steps
from proxmo.credit.diagnostics import batch_diagnostics
from proxmo.credit.groups import group_mean, group_std
from proxmo.errors import InputError
from proxmo.types import Trajectory

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
    Episodes that failed get none: `credit_survivors`, whose `tell` this is.
    """
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("group", "trajectory", "step", "observation", "reward", "success", "valid")
    }
    errors: list[str | None] = []
    for number, trajectory in enumerate(trajectories):
        steps = trajectory.steps
        rewards = [weight * step.reward for step in steps]
        if further is not None:
            rewards[-1] += float(further[number])
        # Numbered: a task may be in a batch twice.
        columns["group"] += [f"{number // group_size}: {trajectory.task}"] * len(steps)
        columns["trajectory"] += [f"{number}: {trajectory.task}"] * len(steps)
        columns["step"] += range(len(steps))
        columns["observation"] += [step.observation for step in steps]
        columns["reward"] += rewards
        columns["success"] += [trajectory.success] * len(steps)
        columns["valid"] += [step.valid for step in steps]
        errors += [trajectory.error] * len(steps)
    return credit_survivors(estimator, columns, errors, tell=tell)


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


def played_metrics(trajectories: Sequence[Trajectory], full: Sequence[bool]) -> dict[str, float]:
    """What the episodes were like, in numbers to log; `full` as in `Conversation`.

    Of those whose environment did not fail: at least one.
    """
    whole = [(t, cut) for t, cut in zip(trajectories, full, strict=True) if not t.failed]
    valid = [step.valid for trajectory, _ in whole for step in trajectory.steps]
    return {
        "rollout/success_rate": float(np.mean([t.success for t, _ in whole])),
        "rollout/steps": len(valid) / len(whole),
        "rollout/truncated": float(np.mean([t.truncated for t, _ in whole])),
        "rollout/out_of_room": float(np.mean([cut for _, cut in whole])),
        "rollout/invalid_actions": 1.0 - float(np.mean(valid)),
    }
