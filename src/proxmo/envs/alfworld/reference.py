"""The reference engine (PyPI `alfworld` and `textworld`) beside ours.

For checks and benchmarks; nothing else imports it. `alfworld` takes minutes to build:
`uv sync --group reference`.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from proxmo.envs.alfworld.engine import NOTHING, Episode
from proxmo.envs.alfworld.games import GAME_FILE, Game
from proxmo.errors import ProxmoError


class Reference:
    """ALFWorld's own engine, loaded with one game at a time."""

    def __init__(self) -> None:
        try:
            textworld = import_module("textworld")
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
            contents = {
                "pddl_domain": game.domain,
                "grammar": game.grammar,
                "pddl_problem": game.problem,
                "solvable": True,
                "walkthrough": list(game.walkthrough),
            }
            path.write_text(json.dumps(contents), encoding="utf-8")
            self._env.load(str(path))
            self._state = self._env.reset()
        return self._state.feedback

    def act(self, command: str) -> str:
        """Carry out `command`; the answer."""
        self._state, _, _ = self._env.step(command)
        return self._state.feedback

    @property
    def commands(self) -> list[str]:
        """Commands that are possible now."""
        return self._state["admissible_commands"]

    @property
    def won(self) -> bool:
        """Whether the goal holds."""
        return bool(self._state["won"])


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the engines disagree."""

    game_id: str
    step: int
    """0 is the start."""
    action: str
    what: str
    ours: object
    reference: object


def compare(
    game: Game, reference: Reference, rng: random.Random, steps: int = 50
) -> tuple[int, list[Difference]]:
    """Play the same commands in both engines: (steps played, differences).

    Half of them follow the walkthrough (so that games are won), the others are drawn from
    what is possible, preferring what changes something, and from nonsense.
    """
    introduction = reference.reset(game)
    episode = Episode(game.world)
    differences = list(_differ(game, 0, "", introduction, game.world.intro, episode, reference))
    plan = list(game.walkthrough) if rng.random() < 0.5 else []
    played = 0
    while played < steps and not episode.won and not differences:
        action = _draw(rng, plan, episode.commands)
        played += 1
        answer = episode.act(action)
        ours = NOTHING if answer is None else answer
        theirs = reference.act(action)
        differences += _differ(game, played, action, theirs, ours, episode, reference)
    return played, differences


def _differ(
    game: Game,
    step: int,
    action: str,
    theirs: str,
    ours: str,
    episode: Episode,
    reference: Reference,
) -> Iterator[Difference]:
    pairs = [
        ("observation", ours, theirs),
        ("admissible", episode.commands, reference.commands),
        ("won", episode.won, reference.won),
    ]
    for what, mine, expected in pairs:
        if mine != expected:
            yield Difference(game.game_id, step, action, what, mine, expected)


def _draw(rng: random.Random, plan: list[str], possible: Sequence[str]) -> str:
    """The plan's next command, a possible one, or nonsense."""
    chance = rng.random()
    if plan and chance < 0.6:
        return plan.pop(0)
    if chance < 0.9:
        changing = [c for c in possible if not c.startswith(("go to", "help", "look", "inv"))]
        return rng.choice(changing if changing and rng.random() < 0.6 else list(possible))
    command = rng.choice(list(possible))
    words = command.split()
    return rng.choice(
        [
            f"  {command}\t\n",
            command.upper(),
            command + " please",
            " ".join(reversed(words)),
            words[0],
            "",
            "go to nowhere 1",
            "{r.name}",
            "\u00e9\x00",
        ]
    )
