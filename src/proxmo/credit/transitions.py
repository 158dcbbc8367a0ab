"""Where steps lead to: the states of a group as a graph, for methods that read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from proxmo.credit.states import States, distinct_states
from proxmo.credit.steps import Floats, Ints, Steps

NOWHERE = -1
"""The successor of a step after which nothing is known to follow: a failure's end."""


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """Every step of a batch with the state that it was in and the one that it led to."""

    states: States
    """The distinct states of all groups, S in all."""
    successor: Ints
    """(N,) Number of the state that each step led to; S + g where the trajectory ends as a success
    of group g; `NOWHERE` where it ends otherwise, or in a state that no step is in."""
    ends: Ints
    """(M,) The last row of each trajectory."""
    groups: Ints
    """(N,) Number of each step's group."""

    @property
    def count(self) -> int:
        """S, how many states there are."""
        return len(self.states.text)

    def value_after(
        self, values: Floats, success: float = 0.0, elsewhere: Floats | float = 0.0
    ) -> Floats:
        """V(successor) of each step, (N,), from `values` (S,).

        A success's end is worth `success`; any other end `elsewhere`, a number or one per group.
        """
        inside = (self.successor >= 0) & (self.successor < self.count)
        after = np.where(self.successor == NOWHERE, 0.0, success)
        after[inside] = values[self.successor[inside]]
        out = self.successor == NOWHERE
        after[out] = np.broadcast_to(elsewhere, len(self.states.bounds) - 1)[self.groups[out]]
        return after

    def shares(self) -> csr_matrix:
        """Share of each state's steps that led to each other state, (S, S)."""
        inside = (self.successor >= 0) & (self.successor < self.count)
        source, target = self.states.of_step[inside], self.successor[inside]
        share = 1 / self.states.count[source]
        return csr_matrix((share, (source, target)), shape=(self.count, self.count))


def transitions_of(steps: Steps) -> Transitions:
    """Follow every trajectory of a batch.

    A step leads to the next one's state. The last one leads to success where the trajectory is
    one; else to what `next_observation` says, where the column was given.

    Raises:
        InputError: where success is not known.
    """
    states = distinct_states(steps)
    successor = np.full(len(steps), NOWHERE)
    later = np.flatnonzero(steps.before >= 0)
    successor[steps.before[later]] = states.of_step[later]
    ends = steps.order[np.cumsum(steps.lengths) - 1]
    won = steps.trajectory_successes
    lost = ends[~won]
    successor[ends[won]] = len(states.text) + steps.group_ids[ends[won]]
    if steps.next_observation is not None:
        successor[lost] = _visited(steps, states, lost)
    return Transitions(states, successor, ends, steps.group_ids)


def _visited(steps: Steps, states: States, rows: Ints) -> Ints:
    """The states of the texts that follow `rows`; `NOWHERE` where the group has no such step."""
    assert steps.next_observation is not None
    texts = {text: number for number, text in enumerate(steps.texts)}
    keys = steps.group_ids * len(texts) + steps.text_ids
    known = np.empty(len(states.text), np.intp)
    known[states.of_step] = keys  # ascending, as states are numbered
    text = np.array([texts.get(t, -1) for t in steps.next_observation[rows]], np.intp)
    asked = steps.group_ids[rows] * len(texts) + text
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where((text >= 0) & (known[place] == asked), place, NOWHERE)
