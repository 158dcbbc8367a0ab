"""What each row carries for credit, and a batch of rows back to steps.

SkyRL makes a row per turn, those of a trajectory in order and one after the other, each with
a dict of metrics of the environment. The turn travels there, under a key of its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proxmo.adapters.columns import COLUMN
from proxmo.errors import InputError


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a batch, row by row, N in all, as `credit_played` wants them."""

    columns: Mapping[str, Sequence[Any]]
    errors: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.errors)


def collect_turns(
    uids: Sequence[Hashable],
    is_last_step: Sequence[bool],
    env_metrics: Sequence[Mapping[str, Any]],
) -> Turns:
    """The turns of a batch, row by row: `uids` name the groups; all are (N,).

    Raises:
        InputError: when a row was not played by proxmo's environment and generator.
    """
    for row, metrics in enumerate(env_metrics):
        if COLUMN not in metrics:
            raise InputError(
                f"row {row} (group {uids[row]!r}) carries no observation to credit; set "
                "environment.env_class=proxmo and make the generator with ProxMOExp"
            )
    told = [metrics[COLUMN] for metrics in env_metrics]
    ended = np.asarray(is_last_step, dtype=int)
    columns: dict[str, Sequence[Any]] = {
        "group": list(uids),
        "trajectory": (np.cumsum(ended) - ended).tolist(),  # how many ended before this row
        "step": range(len(ended)),
    }
    for name in ("observation", "reward", "success", "valid"):
        columns[name] = [one[name] for one in told]
    return Turns(columns, [one["error"] for one in told])


def chosen_rows(output: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """What SkyRL's generator made, with these rows of every entry that has one value per row."""
    count = len(output["is_last_step"])

    def chosen(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: chosen(entry) for name, entry in value.items()}
        if isinstance(value, list) and len(value) == count:
            return [value[row] for row in rows]
        return value

    return {name: chosen(value) for name, value in output.items()}
