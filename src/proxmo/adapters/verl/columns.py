"""What a row carries for credit, and a batch of rows back to steps.

verl keys a row `{uid}_{session}_{index}`: group, trajectory, turn. It writes the last row's
reward over the rewards of all rows of a trajectory, and so each row's own reward, with the
text that credit compares, travels in `extra_fields`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxmo.adapters.columns import COLUMN
from proxmo.adapters.failures import credit_played
from proxmo.credit import Credit, Estimator
from proxmo.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class BatchCredit:
    """The credit of a batch as verl holds it."""

    advantages: NDArray[np.float64]
    """(N,) One per row, in the order of the keys; 0 for padding and for episodes that failed."""
    credit: Credit
    """Of the rows that are no padding."""


def credit_rows(
    estimator: Estimator,
    keys: Sequence[str],
    tags: Sequence[Mapping[str, Any]],
    extra_fields: Sequence[Any],
) -> BatchCredit:
    """Credit the rows of a batch, in whatever order verl has put them.

    `keys`, `tags` and `extra_fields` have one entry per row, N in all. Padding rows are
    copies of a real row, marked in their tag; they enter no baseline.

    Raises:
        InputError: when a row comes from another agent loop and lacks what credit needs.
        ProxmoError: when every episode of the batch ended in an error of its environment.
    """
    real = [row for row, tag in enumerate(tags) if not tag.get("is_padding", False)]
    places = [_place(keys[row]) for row in real]
    columns = [_column(keys[row], extra_fields[row]) for row in real]
    credit = credit_played(
        estimator,
        {
            "group": [uid for uid, _, _ in places],
            "trajectory": [(uid, session) for uid, session, _ in places],
            "step": [index for _, _, index in places],
            "observation": [column["observation"] for column in columns],
            "reward": [column["reward"] for column in columns],
            "success": [column["success"] for column in columns],
            "valid": [column["valid"] for column in columns],
        },
        [column["error"] for column in columns],
    )
    advantages = np.zeros(len(keys))
    advantages[real] = credit.advantage
    return BatchCredit(advantages, credit)


def _place(key: str) -> tuple[str, int, int]:
    """Group, trajectory within it, and turn, from a row's key; a uid may hold underscores."""
    uid, session, index = key.rsplit("_", 2)
    return uid, int(session), int(index)


def _column(key: str, fields: Any) -> Mapping[str, Any]:
    if not isinstance(fields, Mapping) or COLUMN not in fields:
        raise InputError(
            f"row {key!r} carries no observation to credit; its prompt must be played by the "
            "agent loop 'proxmo': make the data with `python -m proxmo.adapters.verl.data`, or "
            "set actor_rollout_ref.rollout.agent.default_agent_loop=proxmo"
        )
    return fields[COLUMN]
