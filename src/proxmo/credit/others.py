"""Soft baselines from the other trajectories alone, so that no step vouches for itself.

A trajectory's own return in its baseline shrinks its advantages, the more the more steps it has;
where the policy decides when to stop, that also favours going on (`benchmarks/turn_index_bias.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from proxmo.credit.similarity import Kernel
from proxmo.credit.soft import BLOCK, effective_neighbours, soft_weights, warn_of_size
from proxmo.credit.states import States
from proxmo.credit.steps import Floats, Ints, Steps


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """The distinct (trajectory, state) pairs of a batch, by group, trajectory and state: P."""

    of_step: Ints
    """(N,) Number of each step's visit."""
    trajectory: Ints
    """(P,) Whose it is; trajectories are numbered anew, so that those of a group are adjacent."""
    state: Ints
    """(P,) Number of its state, as in `States`."""
    starts: Ints
    """(M + 1,) The visits of trajectory i are starts[i] to starts[i + 1], end excluded."""
    bounds: Ints
    """(G + 1,) The visits of group g are bounds[g] to bounds[g + 1], end excluded."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some visits of a group, with what the others of the group weigh in their baselines."""

    visits: slice
    """Which visits: A of them."""
    states: slice
    """The states of their group: B of them."""
    others: Floats
    """(A, B) How many steps of other trajectories are in each state."""
    shares: Floats
    """(A, B) Share of those steps, together, in the baseline; rows sum to 1."""


def visits_of(steps: Steps, states: States) -> Visits:
    """Find which trajectory was in which state."""
    groups = steps.trajectory_groups
    place = np.empty(len(groups), np.intp)
    place[np.argsort(groups, kind="stable")] = np.arange(len(groups))
    keys = place[steps.trajectory_ids] * len(states.text) + states.of_step
    pairs, of_step = np.unique(keys, return_inverse=True)
    trajectory, state = np.divmod(pairs, len(states.text))
    starts = np.searchsorted(trajectory, np.arange(len(groups) + 1))
    members = np.bincount(groups, minlength=len(states.bounds) - 1)
    bounds = starts[np.concatenate([[0], np.cumsum(members)])]
    return Visits(of_step.reshape(-1), trajectory, state, starts, bounds)


def others_weights(
    states: States, visits: Visits, kernel: Kernel, temperature: float
) -> Iterator[Block]:
    """Shares of the states in each visit's baseline, without the steps of its own trajectory.

        w_ab = n_b' exp(S_ab / tau) / sum_b n_b' exp(S_ab / tau)

    n_b' counts the steps of the others, and the most similar state is looked for among those: the
    own part is never subtracted from a sum, which would leave only rounding where tau is small
    and the own trajectory is nearly all of it. Groups of one trajectory have no block.
    """
    total, own = states.count.astype(np.float64), np.bincount(visits.of_step).astype(np.float64)
    for group, (start, end) in enumerate(zip(states.bounds[:-1], states.bounds[1:], strict=True)):
        first, last = int(visits.bounds[group]), int(visits.bounds[group + 1])
        if visits.trajectory[first] == visits.trajectory[last - 1]:
            continue
        rows = max(1, BLOCK // (end - start))
        for low in range(first, last, rows):
            those, these = slice(low, min(low + rows, last)), slice(int(start), int(end))
            others = _without_own(total, own, visits, those, these)
            seen, row = np.unique(visits.state[those], return_inverse=True)
            similarity = kernel(states.text[seen], states.text[these])[row.reshape(-1)]
            reachable = np.where(others > 0, similarity, -np.inf)
            yield Block(those, these, others, soft_weights(reachable, others, temperature))


def others_baselines(
    returns: Floats, states: States, visits: Visits, kernel: Kernel, temperature: float
) -> tuple[Floats, Floats]:
    """Similarity-weighted mean return of the steps of the group's other trajectories.

        b_it = sum_{(j,k) in g, j != i} softmax_{(j,k), j != i}(S(o_it, o_jk) / tau) G_jk

    `returns` is (N,). Returns the baselines (N,) and the effective number of neighbours (N,). In
    a group of one trajectory there are no others: a step's own return, so that it has no signal.
    """
    warn_of_size(np.diff(visits.bounds), np.diff(states.bounds))
    total = states.mean(returns) * states.count
    own = np.bincount(visits.of_step, weights=returns).astype(np.float64, copy=False)
    found, neighbours = np.full(len(own), np.nan), np.ones(len(own))
    for block in others_weights(states, visits, kernel, temperature):
        sums = _without_own(total, own, visits, block.visits, block.states)
        means = sums / np.maximum(block.others, 1)
        found[block.visits] = np.einsum("ab,ab->a", block.shares, means)
        neighbours[block.visits] = effective_neighbours(block.shares, block.others)
    baselines = found[visits.of_step]
    return np.where(np.isnan(baselines), returns, baselines), neighbours[visits.of_step]


def _without_own(total: Floats, own: Floats, visits: Visits, those: slice, these: slice) -> Floats:
    """What the other trajectories add to each state of the group, per visit: (A, B).

    `total` (S,) is what all do, `own` (P,) what each visit does.
    """
    first, last = visits.trajectory[those.start], visits.trajectory[those.stop - 1] + 1
    theirs = slice(visits.starts[first], visits.starts[last])
    part = np.zeros((last - first, these.stop - these.start))
    part[visits.trajectory[theirs] - first, visits.state[theirs] - these.start] = own[theirs]
    return (total[these] - part)[visits.trajectory[those] - first]
