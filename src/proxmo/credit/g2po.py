"""G2PO (arXiv 2606.22995): values of equal states, looked up before and after each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from proxmo.credit.episode import Normalize, episode_advantages
from proxmo.credit.groups import relative
from proxmo.credit.options import check_choice, check_finite, check_range
from proxmo.credit.result import Credit, combine
from proxmo.credit.returns import charge_invalid
from proxmo.credit.steps import Floats, Steps
from proxmo.credit.transitions import Transitions, transitions_of

_SUCCESS_VALUE = 10.0


def visit_values(steps: Steps, transitions: Transitions, gamma: float) -> Floats:
    """V(s): mean over visits of gamma^(steps left, this one included) R_i, (S,), R_i 10 or 0."""
    left = steps.lengths[steps.trajectory_ids] - steps.turn
    reward = _SUCCESS_VALUE * steps.trajectory_successes[steps.trajectory_ids]
    return transitions.states.mean(gamma**left * reward)


@dataclass(frozen=True, slots=True)
class G2PO:
    """The episode's advantage, plus where a step led, against its state's others and its start.

        A_it = A_i^E + omega A_it^S,
        A_it^S = [V(o') - c [invalid]] relative to the steps of the same state
               + [V(o') - V(o)] relative to the steps of the group

    V(o) is the mean over visits of the success, discounted by the steps left; a success ends at
    10, a failure at 0. The published code takes the statistics of the episode level over steps;
    here they are over trajectories, as everywhere.
    """

    gamma: float = 0.95
    """Discount per step left, in [0, 1]."""
    step_weight: float = 1.0
    """omega >= 0: weight of the step-level advantage."""
    normalize: Normalize = "std"
    """Whether to divide by the groups' standard deviation ("std") or not ("mean")."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""

    def __post_init__(self) -> None:
        check_range("gamma", self.gamma, 0.0, 1.0)
        check_finite("step_weight", self.step_weight, 0.0)
        check_choice("normalize", self.normalize, get_args(Normalize))
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`, episode and step level."""
        transitions = transitions_of(steps)
        return combine(
            steps,
            episode=episode_advantages(steps, self.normalize, self.invalid_action_penalty),
            step=self.step_advantages(steps, transitions),
            step_weight=self.step_weight,
            states=transitions.states,
        )

    def step_advantages(self, steps: Steps, transitions: Transitions) -> Floats:
        """A^S (N,)."""
        values = visit_values(steps, transitions, self.gamma)
        after = transitions.value_after(values, success=_SUCCESS_VALUE)
        after[transitions.ends[~steps.trajectory_successes]] = 0.0
        state = transitions.states.of_step
        led = charge_invalid(after, steps.valid, self.invalid_action_penalty)
        return relative(led, state, self.normalize, sample=True) + relative(
            after - values[state], steps.group_ids, self.normalize, sample=True
        )
