"""Who hears how training goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proxmo.cold_start.progress import SftProgress
from proxmo.episodes.play import RolloutProgress


class Reporter:
    """Hears how training goes; this one tells nobody. Override what is of interest."""

    def cold_start(self, progress: SftProgress) -> None:
        """The built-in policy is being made."""

    def begun(self, folder: Path, done: int) -> None:
        """The run in `folder` begins, or goes on after `done` updates."""

    def rollout(self, update: int, progress: RolloutProgress) -> None:
        """The episodes of an update advance."""

    def broken_off(self, update: int, errors: Sequence[str]) -> None:
        """The environment broke episodes of an update off: what it raised in each."""

    def optimizing(self, update: int, done: int, total: int) -> None:
        """`done` of `total` token sequences went through the loss."""

    def updated(self, update: int, metrics: dict[str, float]) -> None:
        """An update is done and recorded."""

    def evaluated(self, update: int, evaluation: dict[str, Any]) -> None:
        """An evaluation after `update` updates is done and recorded."""
