"""RLOO: REINFORCE leave-one-out (Ahmadian et al. 2024, "Back to Basics", equation 8)."""

from __future__ import annotations

from dataclasses import dataclass

from proxmo.credit.groups import leave_one_out_mean
from proxmo.credit.options import check_finite
from proxmo.credit.result import Credit, combine
from proxmo.credit.returns import charge_invalid
from proxmo.credit.steps import Steps


@dataclass(frozen=True, slots=True)
class RLOO:
    """Compared with the others only: A_i = R_i - mean_{j in g, j != i}(R_j).

    A group of one has no others and no signal: 0.
    """

    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""

    def __post_init__(self) -> None:
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`; the step part is 0."""
        rewards = steps.trajectory_rewards
        relative = rewards - leave_one_out_mean(rewards, steps.trajectory_groups)
        episode = charge_invalid(
            relative[steps.trajectory_ids], steps.valid, self.invalid_action_penalty
        )
        return combine(steps, episode=episode)
