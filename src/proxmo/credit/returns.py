"""Discounted returns."""

from __future__ import annotations

import numpy as np

from proxmo.credit.steps import Bools, Floats, Ints, Steps


def discounted_returns(reward: Floats, trajectory: Ints, order: Ints, gamma: float) -> Floats:
    """Discounted reward-to-go: G_it = sum_{k >= t} gamma^(k - t) r_ik.

    `reward` and `trajectory` (numbers from 0) are (N,), one per step; `order` lists the
    rows by trajectory, then by step. The result is (N,), in the order of the rows. The
    discount counts steps, whatever their numbers: a gap costs nothing.
    """
    sizes = np.bincount(trajectory)
    last = np.cumsum(sizes) - 1  # where each trajectory's last step stands in `order`
    returns = reward[order]
    # All trajectories advance together, from their last step to their first.
    for age in range(1, sizes.max()):
        last, sizes = last[sizes > age], sizes[sizes > age]
        returns[last - age] += gamma * returns[last - age + 1]
    result = np.empty_like(returns)
    result[order] = returns
    return result


def charge_invalid(values: Floats, valid: Bools, penalty: float) -> Floats:
    """Charge an invalid action to the step that made it: values - c [invalid], (N,).

    Applied to returns after discounting, so that the charge does not spread to earlier
    steps, and to the episode's reward as that one step sees it.
    """
    return values - penalty * ~valid


def step_returns(steps: Steps, gamma: float, penalty: float) -> Floats:
    """What a step is judged by at the step level: G_it - c [invalid], (N,)."""
    returns = discounted_returns(steps.reward, steps.trajectory_ids, steps.order, gamma)
    return charge_invalid(returns, steps.valid, penalty)


def lambda_advantages(steps: Steps, values: Floats, gamma: float, lam: float) -> Floats:
    """Sums of temporal differences: A_it = sum_{k >= t} (gamma lam)^(k - t) delta_ik, (N,).

    delta_it = r_it + gamma V_it+1 - V_it from `values` (N,), one per step; V is 0 after the last
    step (Schulman et al. 2016, generalised advantage estimation).
    """
    after = np.zeros_like(values)
    later = np.flatnonzero(steps.before >= 0)
    after[steps.before[later]] = values[later]
    delta = steps.reward + gamma * after - values
    return discounted_returns(delta, steps.trajectory_ids, steps.order, gamma * lam)
