"""A baseline by the number of the turn, as in MT-GRPO (arXiv 2505.11821)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from proxmo.credit.episode import Normalize, episode_advantages
from proxmo.credit.groups import relative
from proxmo.credit.options import check_choice, check_finite, check_range
from proxmo.credit.result import Credit, combine
from proxmo.credit.returns import step_returns
from proxmo.credit.steps import Ints, Steps


def turn_groups(steps: Steps) -> Ints:
    """Number of each step's (group, turn), (N,): turns count the steps of a trajectory."""
    keys = steps.group_ids * int(steps.lengths.max()) + steps.turn
    return np.unique(keys, return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True, slots=True)
class TurnIndex:
    """The episode's advantage, plus each return against those of the group's same turn.

        A_it = A_i^E + omega A_it^S,    A_it^S = G_it - mean over j of G_jt

    A turn's mean is over the trajectories that have not ended: those that went on. It leaves out
    what a step's own action did, since who is still there was decided before; the sum of rewards
    each against its turn's mean, as MT-GRPO has it, subtracts more means the longer a trajectory
    goes on, and is biased where the policy decides when to stop (`benchmarks/turn_index_bias.py`).
    """

    gamma: float = 0.95
    """Discount of later rewards, in [0, 1]."""
    step_weight: float = 1.0
    """omega >= 0: weight of the step-level advantage."""
    normalize: Normalize = "mean"
    """Whether to divide both levels by their groups' standard deviation ("std") or not."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""

    def __post_init__(self) -> None:
        check_range("gamma", self.gamma, 0.0, 1.0)
        check_finite("step_weight", self.step_weight, 0.0)
        check_choice("normalize", self.normalize, get_args(Normalize))
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`, episode and step level."""
        returns = step_returns(steps, self.gamma, self.invalid_action_penalty)
        return combine(
            steps,
            episode=episode_advantages(steps, self.normalize, self.invalid_action_penalty),
            step=relative(returns, turn_groups(steps), self.normalize, sample=True),
            step_weight=self.step_weight,
        )
