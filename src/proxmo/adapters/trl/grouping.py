"""From the conversations of a generation batch to the advantages of their turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from proxmo.credit import Credit, Steps
from proxmo.credit.diagnostics import batch_diagnostics
from proxmo.credit.groups import group_mean, group_std
from proxmo.errors import InputError, ProxmoError
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


def batch_steps(
    trajectories: Sequence[Trajectory],
    group_size: int,
    weight: float = 1.0,
    further: Sequence[float] | None = None,
) -> Steps:
    """The steps of a whole generation batch, each `group_size` in a row being one group.

    Rewards are the environment's, times `weight`; `further` (one number per trajectory),
    what the user's reward functions gave the finished conversation, goes to its last step.
    """
    members = []
    for number, trajectory in enumerate(trajectories):
        steps = [replace(step, reward=weight * step.reward) for step in trajectory.steps]
        if further is not None:
            steps[-1] = replace(steps[-1], reward=steps[-1].reward + float(further[number]))
        group = f"{number // group_size}: {trajectory.task}"
        members.append(replace(trajectory, id=str(number), group=group, steps=tuple(steps)))
    return Steps.from_trajectories(members)


def split_by_trajectory(
    values: NDArray[np.float64], trajectories: Sequence[Trajectory]
) -> list[NDArray[np.float64]]:
    """One array per trajectory of what was computed step by step, in their order."""
    ends = np.cumsum([len(trajectory.steps) for trajectory in trajectories])
    return np.split(values, ends[:-1])


def check_played(trajectories: Sequence[Trajectory], group_size: int) -> None:
    """Refuse a batch that cannot teach anything, or whose groups are not groups.

    Raises:
        ProxmoError: when every episode ended in an error, with the first one.
        InputError: when the trajectories of a group do not share their task.
    """
    if all(trajectory.error is not None for trajectory in trajectories):
        raise ProxmoError(
            f"every episode of the batch ended in an error; the first, of task "
            f"{trajectories[0].task!r}: {trajectories[0].error}"
        )
    for start in range(0, len(trajectories), group_size):
        tasks = {trajectory.task for trajectory in trajectories[start : start + group_size]}
        if len(tasks) > 1:
            raise InputError(
                f"rows {start} to {start + group_size - 1} should be one group and are of the "
                f"tasks {', '.join(sorted(tasks))}; leave the sampler of TRL's trainer as it is"
            )


def rollout_metrics(trajectories: Sequence[Trajectory], full: Sequence[bool]) -> dict[str, float]:
    """What the episodes were like, in numbers to log; `full` as in `Conversation`."""
    valid = [step.valid for trajectory in trajectories for step in trajectory.steps]
    return {
        "rollout/success_rate": float(np.mean([t.success for t in trajectories])),
        "rollout/steps": len(valid) / len(trajectories),
        "rollout/truncated": float(np.mean([t.truncated for t in trajectories])),
        "rollout/out_of_room": float(np.mean(full)),
        "rollout/invalid_actions": 1.0 - float(np.mean(valid)),
        "rollout/errors": float(sum(t.error is not None for t in trajectories)),
    }
