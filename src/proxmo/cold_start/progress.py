"""How the making of a policy goes, for who waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SftProgress:
    """Where a cold start stands."""

    stage: Literal["demonstrations", "training"]
    done: int
    total: int
    loss: float | None = None
    """Mean negative log-likelihood of an expert's token, in nats."""
    solved: int = 0
    """Of the demonstrations done, those that succeeded."""
    errors: int = 0
    """Of the demonstrations done, those that the environment broke off."""


SftReport = Callable[[SftProgress], None]
"""Hears of it."""
