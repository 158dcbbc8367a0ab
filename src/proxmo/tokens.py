"""Whole prompts, kept so that the turns of a conversation cost no more than its last one."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload


class Tokens(Sequence[int]):
    """Token ids that do not change: a tuple of ints in all but what it costs.

    The prompt of every turn begins with the turn before. Here each is the beginning of one run of
    tokens that all of them share: 4 bytes for a token of the dialogue, where tuples take 8 for
    each token of each turn, and as many turns again.
    """

    __slots__ = ("_count", "_run")

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._run = array("i", ids)
        self._count = len(self._run)

    def then(self, ids: Iterable[int]) -> Tokens:
        """These tokens and `ids` behind them, in the same run unless others went on in it."""
        longer = Tokens()
        longer._run = self._run if self._count == len(self._run) else self._run[: self._count]
        longer._run.extend(ids)
        longer._count = len(longer._run)
        return longer

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return iter(self._run[: self._count])

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Tokens: ...
    def __getitem__(self, index: int | slice) -> int | Tokens:
        places = range(self._count)[index]
        if isinstance(places, int):
            return self._run[places]
        if (places.start, places.step) == (0, 1):  # a beginning shares the run, too
            first = Tokens()
            first._run, first._count = self._run, len(places)
            return first
        return Tokens(map(self._run.__getitem__, places))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Tokens):
            same_run = self._run is other._run
            return self._count == other._count and (
                same_run or self._run[: self._count] == other._run[: other._count]
            )
        return tuple(self) == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Tokens({list(self)})"
