"""What a row of a framework carries of the turn that it is, for credit to read."""

from __future__ import annotations

import warnings
from typing import Any

from proxmo.errors import ProxmoWarning
from proxmo.types import Step

COLUMN = "proxmo"
"""Key of it among whatever a row carries."""


def row_column(step: Step, success: bool, error: str | None = None) -> dict[str, Any]:
    """What the row of `step` carries; `error` is what the episode's environment raised."""
    return {
        "observation": step.observation,
        "reward": step.reward,
        "success": success,
        "valid": step.valid,
        "error": error,
    }


def warn_of_groups_of_one(setting: str, size: int) -> None:
    """Say from the settings that no trajectory will have another to be compared with."""
    if size < 2:
        warnings.warn(
            f"{setting} is {size}: every group has one trajectory, which has no other to be "
            "compared with. Give at least 2",
            ProxmoWarning,
            stacklevel=3,
        )
