"""Figures that say whether a batch has anything to teach, cheap enough for every update."""

from __future__ import annotations

import numpy as np

from proxmo.credit.groups import EPSILON, group_mean, silent_groups
from proxmo.credit.states import States, distinct_states
from proxmo.credit.steps import Bools, Floats, Steps

BUCKETS = ("0.00", "0.25", "0.50", "0.75", "1.00")
"""Success rates told apart: none, about a quarter, a half, three quarters, all."""


def batch_diagnostics(steps: Steps, states: States | None = None) -> dict[str, float]:
    """What holds of a batch under any method.

    `success_rate`: mean over groups of their share of successful trajectories, where known;
    `success_rate_hist/...`: share of groups by success rate, where 0.00 and 1.00 are
    exactly none and all, and the rates between go to the nearest of the other three;
    `no_signal_groups`: share of groups whose trajectories all have the same reward;
    `alone_steps`: share of steps whose text occurs once in their group, which exact
    matching would leave with no peer.
    """
    states = states or distinct_states(steps)
    silent = silent_groups(steps.trajectory_rewards, steps.trajectory_groups)
    return _success_diagnostics(steps) | {
        "credit/no_signal_groups": float(silent.mean()),
        "credit/alone_steps": float((states.count == 1).sum() / len(steps)),
    }


def _success_diagnostics(steps: Steps) -> dict[str, float]:
    if steps.success is None:
        return {}
    groups = steps.trajectory_groups
    first = np.unique(groups, return_index=True)[1]
    rates = group_mean(steps.trajectory_successes, groups)[first]  # (G,)
    middle = np.clip(np.round(4 * rates), 1, 3)
    buckets = np.select([rates == 0, rates == 1], [0, 4], middle).astype(int)
    shares = np.bincount(buckets, minlength=len(BUCKETS)) / len(rates)
    return {
        "credit/success_rate": float(rates.mean()),
        **{f"credit/success_rate_hist/{b}": float(s) for b, s in zip(BUCKETS, shares, strict=True)},
    }


def modulation_diagnostics(weights: Floats, success: Bools) -> dict[str, float]:
    """Mean modulation weight of the successes and of the failures among trajectories (M,).

    Where there is none of a kind the figure is 1, the weight of no modulation.
    """
    return {
        "credit/modulation_success": _mean(weights[success], 1.0),
        "credit/modulation_failure": _mean(weights[~success], 1.0),
    }


def baseline_diagnostics(
    returns: Floats, baselines: Floats, neighbours: Floats
) -> dict[str, float]:
    """How much the step-level baseline knows.

    `effective_neighbours`: exp of the entropy of a step's weights, mean over steps (1: it
    was compared with itself alone); `explained_variance`: 1 - var(G - b) / var(G) over
    the batch, 0 where returns do not vary.
    """
    variance = returns.var()
    explained = 1 - (returns - baselines).var() / variance if variance > EPSILON**2 else 0.0
    return {
        "credit/effective_neighbours": float(neighbours.mean()),
        "credit/explained_variance": float(explained),
    }


def _mean(values: Floats, default: float) -> float:
    return float(values.mean()) if values.size else default
