"""What every estimator returns, and what an estimator is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from proxmo.credit.steps import Floats, Steps


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
