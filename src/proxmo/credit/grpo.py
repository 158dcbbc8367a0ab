"""GRPO: Group Relative Policy Optimization (Shao et al. 2024, DeepSeekMath, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from proxmo.credit.episode import Normalize, episode_advantages
from proxmo.credit.options import check_choice, check_finite
from proxmo.credit.result import Credit, combine
from proxmo.credit.steps import Steps


@dataclass(frozen=True, slots=True)
class GRPO:
    """Every step gets its trajectory's advantage: A_i = (R_i - mean_g(R)) / (std_g(R) + eps).

    With `normalize="mean"` the division is left out, as in Dr. GRPO (Liu et al. 2025).
    """

    normalize: Normalize = "std"
    """Whether to divide by the group's standard deviation ("std") or not ("mean")."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""

    def __post_init__(self) -> None:
        check_choice("normalize", self.normalize, get_args(Normalize))
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`; the step part is 0."""
        episode = episode_advantages(steps, self.normalize, self.invalid_action_penalty)
        return combine(steps, episode=episode)
