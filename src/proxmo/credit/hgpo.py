"""HGPO (arXiv 2602.22817): steps compared with those that share more and more of their past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from proxmo.credit.episode import Normalize
from proxmo.credit.groups import relative
from proxmo.credit.options import check_choice, check_finite, check_range, check_whole
from proxmo.credit.result import Credit, combine
from proxmo.credit.returns import step_returns
from proxmo.credit.states import distinct_states
from proxmo.credit.steps import Ints, Steps

_SHORT = -1
"""Number of a past that is shorter than asked for."""


def shared_pasts(steps: Steps, depth: int) -> list[Ints]:
    """For k = 1..depth, the number of each step's last k observations in its group, (N,) each.

    Alike where group and texts are; -1 where the trajectory has not got so many yet.
    """
    state = distinct_states(steps).of_step
    pasts = [state]
    for _ in range(depth - 1):
        longer = np.where(steps.before < 0, _SHORT, pasts[-1][steps.before])
        known = longer != _SHORT
        numbers = np.full(len(steps), _SHORT)
        pairs = longer[known] * (state.max() + 1) + state[known]
        numbers[known] = np.unique(pairs, return_inverse=True)[1].reshape(-1)
        pasts.append(numbers)
    return pasts


@dataclass(frozen=True, slots=True)
class HGPO:
    """Each step compared with the steps of its group that share its last k observations.

        A_it = sum_k v_k A_it^(k) / sum_k v_k,   A_it^(k) = G_it against the group of equal pasts,
        v_k = (k + 1)^alpha where A_it^(k) is not 0, else 0;   k = 1..K + 1

    A step alone at every depth gets 0. There is no episode level, as published.
    """

    gamma: float = 0.95
    """Discount of later rewards, in [0, 1]."""
    history: int = 2
    """K >= 0: how many observations before the present one may have to be shared."""
    alpha: float = 1.0
    """How much more a longer shared past counts, >= 0."""
    normalize: Normalize = "std"
    """Whether to divide by the groups' standard deviation ("std") or not ("mean")."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""

    def __post_init__(self) -> None:
        check_range("gamma", self.gamma, 0.0, 1.0)
        check_whole("history", self.history, 0)
        check_finite("alpha", self.alpha, 0.0)
        check_choice("normalize", self.normalize, get_args(Normalize))
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`; the episode part is 0."""
        returns = step_returns(steps, self.gamma, self.invalid_action_penalty)
        total, weight = np.zeros(len(steps)), np.zeros(len(steps))
        for k, past in enumerate(shared_pasts(steps, self.history + 1), start=1):
            advantage = np.zeros(len(steps))
            known = past != _SHORT
            if known.any():
                advantage[known] = relative(
                    returns[known], past[known], self.normalize, sample=False
                )
            own = (k + 1) ** self.alpha * (advantage != 0)
            total += own * advantage
            weight += own
        return combine(steps, step=total / np.where(weight > 0, weight, 1.0))
