"""The reference engine (PyPI `alfworld` and `textworld`) beside ours.

For checks and benchmarks; nothing else imports it. `alfworld` takes minutes to build:
`uv sync --group reference`.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from proxmo.envs.alfworld.env import AlfworldEnv
from proxmo.envs.alfworld.games.game import GAME_FILE, Game
from proxmo.errors import ProxmoError


@dataclass(frozen=True, slots=True)
class ReferenceTurn:
    """One command and what the reference made of it."""

    action: str
    feedback: str
    admissible: tuple[str, ...]
    """Commands that are possible afterwards, in the reference's order."""
    won: bool


@dataclass(frozen=True, slots=True)
class Transcript:
    """One episode of the reference engine."""

    game_id: str
    initial: str
    """The introduction."""
    admissible: tuple[str, ...]
    """Commands that are possible at the start."""
    turns: tuple[ReferenceTurn, ...]

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Transcript:
        """A transcript as `to_json` writes it."""
        turns = [
            ReferenceTurn(s["action"], s["feedback"], tuple(s["admissible"]), s["won"])
            for s in record["steps"]
        ]
        return cls(record["game"], record["initial"], tuple(record["admissible"]), tuple(turns))

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "game": self.game_id,
            "initial": self.initial,
            "admissible": self.admissible,
            "steps": [
                {"action": t.action, "feedback": t.feedback, "admissible": t.admissible}
                | {"won": t.won}
                for t in self.turns
            ],
        }


@dataclass(frozen=True, slots=True)
class EngineDifference:
    """Where the engines disagree."""

    game_id: str
    step: int
    """0 is the start."""
    action: str
    what: str
    ours: object
    reference: object


def differences(game: Game, transcript: Transcript) -> list[EngineDifference]:
    """Play the transcript's commands in our engine and compare every byte of every answer."""
    env = AlfworldEnv(max_steps=len(transcript.turns) + 1)
    observation, info = env.reset(options={"game": game})
    found = list(
        _differ(
            (game.game_id, 0, ""),
            (observation, info["admissible_actions"], False),
            (transcript.initial, list(transcript.admissible), False),
        )
    )
    for number, turn in enumerate(transcript.turns, start=1):
        observation, _, terminated, _, info = env.step(turn.action)
        found += _differ(
            (game.game_id, number, turn.action),
            (observation, info["admissible_actions"], info["success"]),
            (turn.feedback, list(turn.admissible), turn.won),
        )
        if terminated:
            break
    return found


def _differ(
    where: tuple[str, int, str], ours: tuple[object, ...], theirs: tuple[object, ...]
) -> Iterator[EngineDifference]:
    for what, mine, expected in zip(
        ("observation", "admissible", "success"), ours, theirs, strict=True
    ):
        if mine != expected:
            yield EngineDifference(*where, what, mine, expected)


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Undo what the block does to the environment's variables.

    Importing `alfworld` sets $ALFWORLD_DATA, to an empty folder if need be, where proxmo would
    then look for games.
    """
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Reference:
    """ALFWorld's own engine, loaded with one game at a time."""

    def __init__(self) -> None:
        try:
            textworld = import_module("textworld")
            with _environment_kept():
                alfworld = import_module("alfworld.agents.environment.alfred_tw_env")
            pddl = import_module("textworld.envs.pddl.pddl")
        except ImportError as error:
            raise ProxmoError(
                "the reference engine is not installed: `uv sync --group reference`"
            ) from error
        infos = textworld.EnvInfos(won=True, admissible_commands=True, extras=["gamefile"])
        self._env: Any = alfworld.AlfredInfos(alfworld.AlfredDemangler(pddl.PddlEnv(infos)))
        self._state: Any = None

    def reset(self, game: Game) -> str:
        """Load and start `game`; the introduction."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, GAME_FILE)
            path.write_text(game.to_json(), encoding="utf-8")
            self._env.load(str(path))
            self._state = self._env.reset()
        return self._state.feedback

    def act(self, command: str) -> str:
        """Carry out `command`; the answer."""
        self._state, _, _ = self._env.step(command)
        return self._state.feedback

    @property
    def commands(self) -> tuple[str, ...]:
        """Commands that are possible now."""
        return tuple(self._state["admissible_commands"])

    @property
    def won(self) -> bool:
        """Whether the goal holds."""
        return bool(self._state["won"])

    def record(self, game: Game, rng: random.Random, steps: int = 50) -> Transcript:
        """Play `game` for `steps` commands or until it is won.

        In half of the episodes most commands follow the walkthrough, so that games are
        won. The others are drawn from what is possible (preferring what changes something),
        from what was possible before, and from nonsense.
        """
        initial = self.reset(game)
        start = self.commands
        plan = list(game.walkthrough) if rng.random() < 0.5 else []
        seen = set(start)
        turns: list[ReferenceTurn] = []
        while len(turns) < steps and not self.won:
            action = _draw(rng, plan, self.commands, sorted(seen))
            feedback = self.act(action)
            seen.update(self.commands)
            turns.append(ReferenceTurn(action, feedback, self.commands, self.won))
        return Transcript(game.game_id, initial, start, tuple(turns))


def _draw(rng: random.Random, plan: list[str], possible: Sequence[str], seen: Sequence[str]) -> str:
    """The plan's next command, a possible one, one that was possible before, or nonsense."""
    chance = rng.random()
    if plan and chance < 0.6:
        return plan.pop(0)
    if chance < 0.85:
        changing = [c for c in possible if not c.startswith(("go to", "help", "look", "inv"))]
        return rng.choice(changing if changing and rng.random() < 0.6 else possible)
    if chance < 0.95:
        return rng.choice(seen)
    command = rng.choice(possible)
    return rng.choice(
        [
            f"  {command}\t\n",
            f"\u2003{command}\x1f",
            command.upper(),
            command.replace(" ", "  "),
            command + " please",
            " ".join(reversed(command.split())),
            command.split()[0],
            "",
            "go to nowhere 1",
            "{r.name}",
            "\u00e9\x00",
        ]
    )


def save(path: Path, recorded: Sequence[tuple[Game, Transcript]]) -> None:
    """Write transcripts with their games as compressed JSON lines; the same input, same bytes."""
    lines = [
        json.dumps({"content": json.loads(game.to_json())} | transcript.to_json()) + "\n"
        for game, transcript in recorded
    ]
    path.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))
