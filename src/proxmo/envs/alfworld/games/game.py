"""One game: what its file holds, read and compiled when it is played."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from proxmo.envs.alfworld.engine.world import World
from proxmo.errors import InputError

TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
"""ALFWorld's six kinds of task, in its own order."""


GAME_FILE = "game.tw-pddl"


@dataclass(frozen=True, slots=True)
class Source:
    """The texts that make up a game: what a `game.tw-pddl` holds."""

    domain: str
    """PDDL of the rules."""
    problem: str
    """PDDL of the room and the goal."""
    grammar: str
    """The sentences."""
    walkthrough: tuple[str, ...] = ()
    """Commands that solve it."""


class Game:
    """One game. Light until it is played: reading and compiling wait for `world`.

    Attributes:
        game_id: `split/task/trial` for the official layout.
        task_type: One of `TASK_TYPES`, or "unknown".
        split: "train", "valid_seen", ...; empty where the layout does not say.
    """

    __slots__ = ("_read", "_world", "game_id", "split", "task_type")

    def __init__(self, game_id: str, task_type: str, split: str, read: Callable[[], Source]):
        self.game_id, self.task_type, self.split = game_id, task_type, split
        self._read = read
        self._world: World | None = None

    @classmethod
    def from_pddl(
        cls,
        domain: str,
        problem: str,
        grammar: str,
        walkthrough: Sequence[str] = (),
        task_type: str = "unknown",
        game_id: str = "game",
        split: str = "",
    ) -> Game:
        """A game in memory, from the texts that a `game.tw-pddl` holds."""
        source = Source(domain, problem, grammar, tuple(walkthrough))
        return cls(game_id, task_type, split, partial(_same, source))

    @property
    def world(self) -> World:
        """The compiled game, kept once made. `InputError` names what the engine cannot do."""
        if self._world is None:
            source = self._read()
            try:
                self._world = World(source.domain, source.grammar, source.problem)
            except InputError as error:
                raise InputError(f"game {self.game_id!r}: {error}") from error
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
                raise InputError(
                    f"game {self.game_id!r} is damaged ({type(error).__name__}: {error}); get "
                    "it anew, or leave it out"
                ) from error
        return self._world

    @property
    def domain(self) -> str:
        """PDDL text of the domain."""
        return self._read().domain

    @property
    def problem(self) -> str:
        """PDDL text of the problem."""
        return self._read().problem

    @property
    def grammar(self) -> str:
        """Text of the grammar."""
        return self._read().grammar

    @property
    def walkthrough(self) -> tuple[str, ...]:
        """Commands that solve the game; empty when it comes without."""
        return self._read().walkthrough

    def to_json(self) -> str:
        """The content of a `game.tw-pddl` file."""
        source = self._read()
        return json.dumps(
            {
                "pddl_domain": source.domain,
                "grammar": source.grammar,
                "pddl_problem": source.problem,
                "solvable": True,
                "walkthrough": list(source.walkthrough),
            }
        )

    def __getstate__(self) -> Any:
        # Without what was compiled: a copy reads the game again when it is played.
        state: Any = object.__getstate__(self)
        dictionary, slots = state
        return dictionary, slots | {"_world": None}

    def __repr__(self) -> str:
        return f"Game({self.game_id!r}, {self.task_type!r})"


def _same(source: Source) -> Source:
    return source


def parse_source(data: bytes, name: str) -> Source:
    """What the file called `name` holds; `InputError` where that is no game."""
    try:
        game: dict[str, Any] = json.loads(data)
        texts = [game["pddl_domain"], game["pddl_problem"], game["grammar"]]
        walkthrough = game.get("walkthrough") or []
        if not isinstance(walkthrough, list):
            raise TypeError("the walkthrough is no list")
        if not all(isinstance(text, str) for text in [*texts, *walkthrough]):
            raise TypeError("what should be text is not")
        return Source(*texts, walkthrough=tuple(walkthrough))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{name} is not an ALFWorld game ({type(error).__name__}: {error}); get it anew, or "
            "leave it out"
        ) from error
