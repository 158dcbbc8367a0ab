"""Means and deviations within groups: the baselines that compare whole trajectories.

`values` (M,) are numbers, `groups` (M,) the number of each one's group, from 0; results
are (M,) too: every member is given its group's figure.
"""

from __future__ import annotations

import numpy as np

from proxmo.credit.steps import Bools, Floats, Ints

EPSILON = 1e-6
"""Added to a standard deviation before dividing, as verl and the authors' code do."""


def group_mean(values: Floats | Bools, groups: Ints) -> Floats:
    """Mean over the group: mean_g(x)."""
    return (np.bincount(groups, weights=values) / np.bincount(groups))[groups]


def group_std(values: Floats, groups: Ints) -> Floats:
    """Standard deviation over the group, with n - 1 below the line; 0 in a group of one.

    The sample's deviation (n - 1), as in verl, TRL and the authors' code.
    """
    deviations = values - group_mean(values, groups)
    sizes = np.bincount(groups)
    variance = np.bincount(groups, weights=deviations**2) / np.maximum(sizes - 1, 1)
    return np.sqrt(variance)[groups]


def silent_groups(values: Floats, groups: Ints) -> Bools:
    """Whether the members of each group all have the same value, (G,): nothing tells them apart."""
    first = np.unique(groups, return_index=True)[1]
    return group_std(values, groups)[first] <= EPSILON


def leave_one_out_mean(values: Floats, groups: Ints) -> Floats:
    """Mean over the others of the group: (n mean_g(x) - x_i) / (n - 1).

    A group of one has no others: its own value, so that it carries no signal.
    """
    sizes = np.bincount(groups)[groups]
    totals = np.bincount(groups, weights=values)[groups]
    return np.where(sizes > 1, (totals - values) / np.maximum(sizes - 1, 1), values)


def scale_by_std(advantages: Floats, std: Floats) -> Floats:
    """Divide by the group's deviation: A / (std_g + eps).

    Where nothing deviates (std_g <= eps) the advantage keeps its size: all that is left
    there is the charge for an invalid action, which eps would blow up a million times.
    """
    return advantages / np.where(std > EPSILON, std + EPSILON, 1.0)


def relative(values: Floats, groups: Ints, normalize: str, *, sample: bool) -> Floats:
    """Values less their group's mean, with `normalize="std"` over (std_g + eps); (N,).

    `sample` chooses the deviation with n - 1 below the line, else the one with n. What is alone
    in its group gets 0.
    """
    sizes = np.bincount(groups)
    deviations = values - group_mean(values, groups)
    if normalize == "std":
        below = np.maximum(sizes - 1, 1) if sample else sizes
        variance = np.bincount(groups, weights=deviations**2) / below
        deviations = deviations / (np.sqrt(variance)[groups] + EPSILON)
    return np.where(sizes[groups] > 1, deviations, 0.0)
