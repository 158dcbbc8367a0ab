"""Batches that teach nothing, or not what they seem to: said once, not left to be noticed."""

from __future__ import annotations

import warnings

import numpy as np

from proxmo.credit.groups import silent_groups
from proxmo.credit.steps import Floats, Steps
from proxmo.errors import ProxmoWarning


def warn_of_silence(steps: Steps, advantage: Floats, *, discounts: bool) -> None:
    """Warn (`ProxmoWarning`) of a batch in which no group has anything to compare.

    `advantage` (N,) is what came of it; `discounts` says whether the method has a step level,
    which tells early steps from late ones even where all trajectories end alike. Python shows
    each of these once in a process, unless told otherwise.
    """
    message = _alone(steps) or _alike(steps, advantage, discounts=discounts)
    if message is not None:
        warnings.warn(message, ProxmoWarning, stacklevel=4)  # whoever called the estimator


def _alone(steps: Steps) -> str | None:
    """What to say where no trajectory has another to be compared with."""
    if len(steps.group_labels) < len(steps.trajectory_labels):
        return None
    if steps.group_labels == steps.trajectory_labels:
        return (
            "every group has one trajectory and its name: the column 'group' holds the ids of "
            "trajectories. Give the trajectories of one task the same group, or nothing is compared"
        )
    return (
        "every group has one trajectory, which has no other to be compared with; sample at least "
        "two for each task"
    )


def _alike(steps: Steps, advantage: Floats, *, discounts: bool) -> str | None:
    """What to say where the trajectories of every group have the same reward."""
    if not silent_groups(steps.trajectory_rewards, steps.trajectory_groups).all():
        return None
    if discounts and steps.reward.any():
        return None
    if not advantage.any():
        return (
            "no group has a signal: its trajectories all have the same reward, and every advantage "
            "is 0. Take tasks that the policy solves sometimes, or larger groups"
        )
    if np.all(steps.valid):
        return None
    return (
        "no group has a signal: its trajectories all have the same reward, and what moves the "
        "weights are the charges for invalid actions alone. Take tasks that the policy solves "
        "sometimes, or larger groups"
    )
