"""How often things occur in ALFWorld's rooms: the generator's and the expert's table.

The numbers live in `rooms.toml`, counted over the official train games; this module
reads them once and answers questions about them. No randomness, no game format.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import accumulate

FLOOR = "floor"
"""The place of things that are in or on no receptacle."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A distribution over small integers, ready for `random.choices`."""

    numbers: tuple[int, ...]
    cumulative: tuple[int, ...]

    def at_least(self, least: int) -> Counts:
        """The same distribution given that the number is >= `least` (`least` if it never is)."""
        weights = [
            high - low for low, high in zip((0, *self.cumulative), self.cumulative, strict=False)
        ]
        kept = [(n, w) for n, w in zip(self.numbers, weights, strict=True) if n >= least]
        if not kept:
            return Counts((least,), (1,))
        return Counts(tuple(n for n, _ in kept), tuple(accumulate(w for _, w in kept)))


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """How many instances of an object a room has, and where they are."""

    count: Counts
    places: dict[str, int]
    """Receptacle type -> weight of one receptacle of that type; `floor` -> its weight."""


@dataclass(frozen=True, slots=True)
class Room:
    """One kind of room."""

    name: str
    receptacles: dict[str, Counts]
    objects: dict[str, ObjectRow]
    goals: dict[str, dict[tuple[str, str], int]]
    """Task type -> (object, target receptacle or lamp) -> number of official games."""


@dataclass(frozen=True, slots=True)
class Tables:
    """All of `rooms.toml`."""

    rooms: dict[str, Room]
    openable: dict[str, float]
    """Receptacle type -> share of its instances that can be opened."""
    shared: dict[str, float]
    """Receptacle type -> share of its instances that share a location with another one."""
    properties: dict[str, frozenset[str]]
    """`pickupable`, `container`, `cleanable`, ... -> object types."""
    holds: dict[str, frozenset[str]]
    """Receptacle type -> object types that can be put there."""
    wanted: dict[str, Counts]
    """Task type -> how many instances of the object it asks for a game has."""


def _weights(text: str) -> dict[str, int]:
    pairs = (pair.rsplit(":", 1) for pair in text.split())
    return {name: int(weight) for name, weight in pairs}


def _counts(text: str) -> Counts:
    weights = _weights(text)
    return Counts(tuple(int(number) for number in weights), tuple(accumulate(weights.values())))


def _room(name: str, table: dict) -> Room:
    return Room(
        name=name,
        receptacles={key: _counts(text) for key, text in table["receptacles"].items()},
        objects={
            key: ObjectRow(_counts(row["count"]), _weights(row["on"]))
            for key, row in table["objects"].items()
        },
        goals={
            task: {
                (thing, place): weight
                for thing, text in goals.items()
                for place, weight in _weights(text).items()
            }
            for task, goals in table["goals"].items()
        },
    )


@cache
def tables() -> Tables:
    """The table, read on first use."""
    text = (
        resources.files("proxmo.envs.alfworld.generator")
        .joinpath("rooms.toml")
        .read_text(encoding="utf-8")
    )
    data = tomllib.loads(text)
    rest = {key: data.pop(key) for key in ("openable", "shared", "properties", "holds", "wanted")}
    return Tables(
        rooms={name: _room(name, table) for name, table in data.items()},
        openable={key: n / 1000 for key, n in rest["openable"].items()},
        shared={key: n / 1000 for key, n in rest["shared"].items()},
        properties={key: frozenset(text.split()) for key, text in rest["properties"].items()},
        holds={key: frozenset(text.split()) for key, text in rest["holds"].items()},
        wanted={key: _counts(text) for key, text in rest["wanted"].items()},
    )
