"""What a search for games finds, and what of it ALFWorld itself would not play."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from proxmo.envs.alfworld.games.game import Game

_NOT_SOLVABLE = re.compile(rb'"solvable"\s*:\s*[^t\s]')

MOST_BYTES = 1 << 24
"""Longest file that is read; the official games have up to 140 kB."""


@dataclass(slots=True)
class FoundGames:
    """Games, and how many were left out for which reason."""

    games: list[Game] = field(default_factory=list)
    movable: int = 0
    """In folders named for sliced or movable targets, which ALFWorld's own loader skips."""
    unsolvable: int = 0
    """Marked so in their files."""

    def left_out(self) -> str:
        """The numbers in a clause; empty where none was left out."""
        reasons = [
            f"{number} {why}"
            for number, why in (
                (self.movable, "in folders named for sliced or movable targets"),
                (self.unsolvable, "marked unsolvable"),
            )
            if number
        ]
        return f"left out, as by ALFWorld itself: {' and '.join(reasons)}" if reasons else ""


def is_solvable(game: bytes) -> bool:
    """Whether a game's file says so, wherever in it, or says nothing."""
    if not _NOT_SOLVABLE.search(game):
        return True
    try:
        return bool(json.loads(game).get("solvable", True))  # it may stand within something else
    except (ValueError, RecursionError, AttributeError):
        return True  # damaged: said when it is played
