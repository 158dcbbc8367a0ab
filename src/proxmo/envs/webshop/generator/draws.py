"""Choices made of uniform random numbers, one number a choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
Draw = Callable[[], float]
"""Uniform in [0, 1)."""


def one(draw: Draw, values: Sequence[T]) -> T:
    """One of `values`, all alike likely."""
    return values[int(draw() * len(values))]


def some(draw: Draw, values: Sequence[T], count: int) -> list[T]:
    """`count` different values (all of them if there are not so many), in random order."""
    rest = list(values)
    count = min(count, len(rest))
    for place in range(count):
        other = place + int(draw() * (len(rest) - place))
        rest[place], rest[other] = rest[other], rest[place]
    return rest[:count]


def number(draw: Draw, cumulative: Sequence[tuple[T, float]]) -> T:
    """One of the values, by their cumulative shares."""
    chance = draw()
    for value, share in cumulative:
        if chance < share:
            return value
    return cumulative[-1][0]
