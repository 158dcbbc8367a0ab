"""What each row carries for credit, and a batch of rows back to steps.

SkyRL makes a row per turn, those of a trajectory in order and one after the other, each with
a dict of metrics of the environment. The turn travels there, under a key of its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from proxmo.credit import Steps
from proxmo.errors import InputError
from proxmo.types import Step

COLUMN = "proxmo"
"""Key in a row's `env_metrics`; SkyRL's averages leave out what is no number."""


def row_column(step: Step, success: bool) -> dict[str, Any]:
    """What the row of `step` carries."""
    return {
        "observation": step.observation,
        "reward": step.reward,
        "success": success,
        "valid": step.valid,
    }


def collect_steps(
    uids: Sequence[Hashable],
    is_last_step: Sequence[bool],
    env_metrics: Sequence[Mapping[str, Any]],
) -> Steps:
    """The steps of a batch, row by row: `uids` name the groups; all are (N,).

    Raises:
        InputError: when a row was not played by proxmo's environment and generator.
    """
    for row, metrics in enumerate(env_metrics):
        if COLUMN not in metrics:
            raise InputError(
                f"row {row} (group {uids[row]!r}) carries no observation to credit; set "
                "environment.env_class=proxmo and make the generator with ProxMOExp"
            )
    columns = [metrics[COLUMN] for metrics in env_metrics]
    ended = np.asarray(is_last_step, dtype=int)
    return Steps(
        group=list(uids),
        trajectory=np.cumsum(ended) - ended,  # how many ended before this row
        step=np.arange(len(ended)),
        observation=[column["observation"] for column in columns],
        reward=[column["reward"] for column in columns],
        success=[column["success"] for column in columns],
        valid=[column["valid"] for column in columns],
    )
