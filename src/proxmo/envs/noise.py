"""Sentences that say nothing of the task, so that no observation is seen twice.

Pages of the real world have clocks, counters, advertisements: where nothing repeats, exact
matching of states has nothing to match. Which observations are disturbed, and by what, follows
from a key, such as the name of a trajectory and the number of a step, and from nothing else.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Sequence
from functools import cache, partial
from hashlib import blake2b
from importlib import resources
from typing import Any

from proxmo.envs.base import Info
from proxmo.errors import InputError

Key = tuple[str | int, ...]
"""What tells one observation from all others; equal keys have equal noise."""

_FIELD = re.compile(r"\{([^{}]+)\}")
_RANGE = re.compile(r"(\d+)-(\d+)")
_FINE = 1 << 53
"""Steps of a share: what a float between 0 and 1 can tell apart."""


def noisy(observation: str, amount: float, key: Key) -> str:
    """The observation, with probability `amount` followed by a line that says nothing of the task.

    A pure function: over keys, a share `amount` of the observations is disturbed, and those that
    are disturbed at one amount are so, by the same sentence, at every larger one. There are about
    10^12 sentences, so that two observations with different keys are hardly ever disturbed alike.
    `quiet` takes the line away again.

    Raises:
        InputError: for an amount that is not in [0, 1].
    """
    check_noise(amount)
    draws = _Draws(key)
    if draws.below(_FINE) >= amount * _FINE:
        return observation
    sentences = _sentences()
    parts = sentences[draws.below(len(sentences))]
    return f"{observation}\n{''.join(draws.one_of(part) for part in parts)}"


def quiet(observation: str) -> str:
    """The observation without the noise that `noisy` added; one without noise as it is."""
    said, line_break, last = observation.rpartition("\n")
    return said if line_break and _pattern().fullmatch(last) else observation


class NoisyEnv:
    """An environment (`proxmo.envs.base.TextEnv`) whose observations are `noisy`.

    Task, rewards, admissible actions and all else are those of the environment. Each observation
    has the key of the episode with the number of its step, 0 at reset: a copy in mid-episode goes
    on with the same noise. `key` has to differ between episodes that are to be disturbed
    differently, such as the members of a group, who start alike.
    """

    def __init__(self, env: Any, amount: float, key: Key) -> None:
        check_noise(amount)
        self.env, self.amount, self.key = env, amount, key
        self._step = 0

    @property
    def waits(self) -> bool:
        """Whether the environment waits for another process."""
        return getattr(self.env, "waits", False)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, Info]:
        """Start the task that `options` names."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._step = 0
        return self._disturbed(observation), info

    def step(self, action: str) -> tuple[str, float, bool, bool, Info]:
        """Observation, reward, terminated, truncated, info."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._step += 1
        return self._disturbed(observation), reward, terminated, truncated, info

    def close(self) -> None:
        """Free what the environment holds."""
        self.env.close()

    def fork(self) -> NoisyEnv:
        """A copy that goes on from here on its own, where the environment can be copied."""
        other = NoisyEnv(self.env.fork(), self.amount, self.key)
        other._step = self._step
        return other

    def _disturbed(self, observation: Any) -> Any:
        if not isinstance(observation, str):  # whoever plays says what is wrong with it
            return observation
        return noisy(observation, self.amount, (*self.key, self._step))


def with_noise(make_env: Callable[[], Any], amount: float, key: Key) -> Callable[[], Any]:
    """What makes the environments of `make_env` noisy; `make_env` itself where `amount` is 0.

    Raises:
        InputError: for an amount that is not in [0, 1].
    """
    check_noise(amount)
    return partial(_make, make_env, amount, key) if amount else make_env


def _make(make_env: Callable[[], Any], amount: float, key: Key) -> NoisyEnv:
    return NoisyEnv(make_env(), amount, key)


def check_noise(amount: float) -> None:
    """Raise `InputError` for an amount that is no share, a number in [0, 1]."""
    if math.isnan(amount) or not 0 <= amount <= 1:
        raise InputError(f"noise is {amount}; it is the share of noisy observations, from 0 to 1")


class _Draws:
    """Numbers that follow from a key: digits of its digest, in the bases asked for."""

    def __init__(self, key: Key) -> None:
        told = json.dumps([str(part) for part in key])  # parts are told apart, whatever is in them
        self._left = int.from_bytes(blake2b(told.encode()).digest(), "big")

    def below(self, count: int) -> int:
        """A number from 0 to `count` - 1."""
        self._left, drawn = divmod(self._left, count)
        return drawn

    def one_of(self, choices: Sequence[str]) -> str:
        """One of the texts."""
        return choices[self.below(len(choices))]


class _Numbers(Sequence[str]):
    """The numbers from `low` to `high` as texts, all as wide as `low` where that begins with 0."""

    def __init__(self, low: str, high: str) -> None:
        self._range = range(int(low), int(high) + 1)
        self._width = len(low) if low.startswith("0") else 1

    def __len__(self) -> int:
        return len(self._range)

    def __getitem__(self, index: Any) -> Any:
        return f"{self._range[index]:0{self._width}}"


@cache
def _sentences() -> list[list[Sequence[str]]]:
    """Every sentence as its parts, each a choice of texts."""
    text = resources.files("proxmo.envs").joinpath("noise.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return [_parts(sentence, table["words"]) for sentence in table["sentences"]]


def _parts(sentence: str, words: dict[str, list[str]]) -> list[Sequence[str]]:
    # Split by a pattern with a group, so that every second piece is a field.
    pieces = _FIELD.split(sentence)
    return [_choices(piece, words) if n % 2 else [piece] for n, piece in enumerate(pieces)]


def _choices(field: str, words: dict[str, list[str]]) -> Sequence[str]:
    numbers = _RANGE.fullmatch(field)
    return _Numbers(numbers[1], numbers[2]) if numbers else words[field]


@cache
def _pattern() -> re.Pattern[str]:
    """What every sentence matches, and hardly anything else."""
    return re.compile("|".join("".join(map(_matching, parts)) for parts in _sentences()))


def _matching(choices: Sequence[str]) -> str:
    if isinstance(choices, _Numbers):
        return "[0-9]+"
    return f"(?:{'|'.join(map(re.escape, choices))})"
