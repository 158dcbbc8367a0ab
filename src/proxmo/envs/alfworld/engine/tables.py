"""A state of a game: tables of facts, each as the rules read it.

slots[NAMES]   entity -> name shown
slots[TASK]    the goal's sentence
slots[MEMO]    memory shared by all episodes of a game (see `ActionCompiler.applicable`)
slots[k]       a table of one predicate, as `TableLayout` says
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NAMES, TASK, MEMO = 0, 1, 2
FIRST_TABLE = 3

Slots = list[Any]
Operation = tuple[int, tuple[str, ...]]
"""A ground action: index of its schema, arguments."""

MEMBERS, BY_FIRST, BY_SECOND = "members", "by_first", "by_second"
"""How a table is kept: a set of entities (unary predicates), or a dict from one
argument to the sorted tuple of the others (binary predicates)."""


@dataclass
class TableLayout:
    """Which tables a state consists of, and where they are."""

    index: dict[tuple[str, str], int] = field(default_factory=dict)
    """(predicate, way of keeping) -> slot."""
    fluent: list[int] = field(default_factory=list)
    """Slots that actions change: what an episode needs a copy of."""

    def slot(self, predicate: str, kept: str) -> int:
        """The slot of a table, made when it is asked for first."""
        return self.index.setdefault((predicate, kept), FIRST_TABLE + len(self.index))


def insert_fact(table: dict[str, tuple[str, ...]], key: str, value: str) -> None:
    """Add `value` to the sorted tuple at `key`."""
    values = table.get(key, ())
    if value not in values:
        table[key] = tuple(sorted((*values, value)))


def remove_fact(table: dict[str, tuple[str, ...]], key: str, value: str) -> None:
    """Take `value` out of the sorted tuple at `key`."""
    values = table.get(key, ())
    if value in values:
        table[key] = tuple(v for v in values if v != value)
