"""The episode level: whole trajectories compared within their group."""

from __future__ import annotations

from typing import Literal

from proxmo.credit.groups import group_mean, group_std, scale_by_std
from proxmo.credit.returns import charge_invalid
from proxmo.credit.steps import Floats, Steps

Normalize = Literal["mean", "std"]
"""`mean`: subtract the group's mean; `std`: then divide by its standard deviation."""


def episode_advantages(steps: Steps, normalize: Normalize, penalty: float) -> Floats:
    """Reward relative to the group: A_it = R_i - c [invalid] - mean_g(R), (N,).

    Means are over trajectories and their rewards without penalties; the charge c meets
    the step whose action was invalid, and no other. With `normalize="std"` the whole is
    divided by std_g(R) + eps. A group of one has no signal: 0, less the charge.
    """
    rewards, groups = steps.trajectory_rewards, steps.trajectory_groups
    relative = (rewards - group_mean(rewards, groups))[steps.trajectory_ids]
    advantages = charge_invalid(relative, steps.valid, penalty)
    if normalize == "std":
        return scale_by_std(advantages, group_std(rewards, groups)[steps.trajectory_ids])
    return advantages
