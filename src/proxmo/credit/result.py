"""What every estimator returns, and what an estimator is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from proxmo.credit.diagnostics import batch_diagnostics
from proxmo.credit.silence import warn_of_silence
from proxmo.credit.states import States
from proxmo.credit.steps import Floats, Steps
from proxmo.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Credit:
    """The advantages of a batch, one per step, in the order in which the steps were given."""

    advantage: Floats
    """(N,) What the loss uses, broadcast over the tokens of the step's response."""
    episode: Floats
    """(N,) The part that comes from comparing whole trajectories."""
    step: Floats
    """(N,) The part that comes from comparing steps, before its weight."""
    diagnostics: dict[str, float] = field(default_factory=dict)
    """Figures to log, under names `credit/...`; see `proxmo.credit.diagnostics`."""


class Estimator(Protocol):
    """Anything that turns the steps of a batch into advantages."""

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`, row by row; pure, with no state of its own."""
        ...


def combine(
    steps: Steps,
    *,
    episode: Floats | None = None,
    step: Floats | None = None,
    step_weight: float = 1.0,
    states: States | None = None,
    diagnostics: dict[str, float] | None = None,
) -> Credit:
    """Both levels together: A_it = A_it^E + omega A_it^S; a level that is not given is 0.

    `diagnostics` are the method's own; those of the batch are added. A batch that teaches
    nothing is warned of (`ProxmoWarning`).

    Raises:
        InputError: naming the group, when advantages are not finite: its rewards overflow.
    """
    zero = np.zeros(len(steps))
    episode_level = zero if episode is None else episode
    step_level = zero if step is None else step
    advantage = episode_level
    if step is not None:
        with np.errstate(over="ignore"):  # refused below, by name
            advantage = step if episode is None else episode + step_weight * step
    wrong = ~np.isfinite(advantage)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"the advantage of step {steps.step[row]} of trajectory {steps.trajectory[row]!r} in "
            f"group {steps.group[row]!r} is {advantage[row]}: its numbers overflow; give smaller "
            "rewards, penalties and weights"
        )
    warn_of_silence(steps, advantage, discounts=step is not None and step_weight > 0)
    return Credit(
        advantage=advantage,
        episode=episode_level,
        step=step_level,
        diagnostics=batch_diagnostics(steps, states) | (diagnostics or {}),
    )
