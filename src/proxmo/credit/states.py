"""The distinct states of a batch: what step-level baselines are computed on.

A group visits few distinct observations, many times over. Steps of one group with one
text share their baseline, so it is worked out once per (group, text), weighted by count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proxmo.credit.steps import Floats, Ints, Steps


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """The distinct (group, text) pairs of a batch, sorted by group: S of them."""

    of_step: Ints
    """(N,) Number of each step's state."""
    text: Ints
    """(S,) Number of each state's text, an index into `Steps.texts`."""
    count: Ints
    """(S,) How many steps are in the state."""
    bounds: Ints
    """(G + 1,) The states of group g are bounds[g] to bounds[g + 1], end excluded."""

    def mean(self, values: Floats) -> Floats:
        """Mean of `values` (N,) over the steps of each state, (S,)."""
        return np.bincount(self.of_step, weights=values) / self.count


def distinct_states(steps: Steps) -> States:
    """Find the states of a batch."""
    texts, groups = len(steps.texts), len(steps.group_labels)
    keys, of_step, count = np.unique(
        steps.group_ids * texts + steps.text_ids, return_inverse=True, return_counts=True
    )
    return States(
        of_step=of_step.reshape(-1),
        text=keys % texts,
        count=count,
        bounds=np.searchsorted(keys, np.arange(groups + 1) * texts),
    )
