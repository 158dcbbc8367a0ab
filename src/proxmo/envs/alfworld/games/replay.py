"""Playing a given list of commands, such as a game's walkthrough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxmo.envs.alfworld.engine.world import NOTHING, GameEpisode
from proxmo.envs.alfworld.games.game import Game


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of a list of commands."""

    success: bool
    observations: tuple[str, ...]
    """The introduction, then the answer to each command that was played."""
    invalid: tuple[str, ...]
    """Commands that were not possible when they were played."""


def replay(game: Game, commands: Sequence[str] | None = None) -> Replay:
    """Play `commands` (default: the game's own walkthrough) until success or the last."""
    episode = GameEpisode(game.world)
    observations = [game.world.intro]
    invalid = []
    for command in game.walkthrough if commands is None else commands:
        if episode.won:
            break
        answer = episode.act(command)
        if answer is None:
            invalid.append(command)
        observations.append(NOTHING if answer is None else answer)
    return Replay(episode.won, tuple(observations), tuple(invalid))
