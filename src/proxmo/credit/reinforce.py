"""REINFORCE++ with group baseline (Hu et al. 2025, arXiv 2501.03262)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proxmo.credit.episode import episode_advantages
from proxmo.credit.groups import EPSILON
from proxmo.credit.options import check_finite
from proxmo.credit.result import Credit, combine
from proxmo.credit.steps import Floats, Steps


def whiten(advantages: Floats) -> Floats:
    """Shift and scale to mean 0 and standard deviation 1: (A - mean(A)) / std(A).

    Over everything given, with n below the line. All zeros when nothing deviates.
    """
    std = advantages.std()
    if std <= EPSILON:
        return np.zeros_like(advantages)
    return (advantages - advantages.mean()) / std


@dataclass(frozen=True, slots=True)
class ReinforcePlusPlus:
    """Reward minus the group's mean, then whitened over the batch.

        A_i = R_i - mean_g(R),    A = (A - mean_batch(A)) / std_batch(A)

    The published method whitens over the tokens of the batch, all of a sequence sharing
    its advantage; here over steps, so that, as there, a long trajectory counts more.
    """

    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it, before whitening."""

    def __post_init__(self) -> None:
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`; the step part is 0."""
        episode = whiten(episode_advantages(steps, "mean", self.invalid_action_penalty))
        return combine(steps, episode=episode)
