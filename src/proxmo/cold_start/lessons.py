"""Demonstrations as token sequences, each token with its weight in the loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from proxmo.cold_start.demonstrations import DemonstratedTurn
from proxmo.policies.transformers import TransformersPolicy


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A text to learn from; every array is (tokens,)."""

    tokens: np.ndarray
    weights: np.ndarray
    """Of each token's log-likelihood in the loss."""
    taught: np.ndarray
    """True where the token is of an action that counts in full."""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def share(self) -> float:
        """Of the tokens that are of actions that count in full."""
        return float(self.taught.mean())


@dataclass(frozen=True, slots=True)
class _Told:
    """A turn in tokens."""

    read: list[int]
    said: list[int]
    stumble: bool


def lessons_of(
    policy: TransformersPolicy,
    episodes: Sequence[Sequence[DemonstratedTurn]],
    observation_weight: float,
    stumble_weight: float = 0.0,
    *,
    action_share: float = 0.0,
    seed: int = 0,
) -> list[Lesson]:
    """The demonstrations as the policy would have lived them.

    The tokens of the expert's actions count 1, of stumbles `stumble_weight`, of observations
    `observation_weight`. Some are left out where actions that count in full are less than
    `action_share` of the tokens (`thinned`).
    """
    found = []
    for turns in episodes:
        told = list(_told(policy, turns))
        whole = [told] if policy.context == "conversation" else [[turn] for turn in told]
        found += [_lesson(turns, observation_weight, stumble_weight) for turns in whole]
    return thinned(found, action_share, np.random.default_rng(seed))


def thinned(found: Sequence[Lesson], share: float, rng: np.random.Generator) -> list[Lesson]:
    """The lessons, without some of those in which fewer tokens than `share` are taught.

    One with half that share is kept in one of two cases, and so on: time goes where the lessons
    are. In a shop, what answers a page of results is a hundredth of its length.
    """
    return [lesson for lesson in found if rng.random() * share <= lesson.share]


def _told(policy: TransformersPolicy, turns: Sequence[DemonstratedTurn]) -> Iterator[_Told]:
    """Every turn in tokens: what it adds to a conversation, or all that a window shows."""
    chat, prompter, end = policy.chat, policy.prompter, policy.tokenizer.eos_token_id
    past: list[tuple[str, str]] = []
    for turn in turns:
        prompt = prompter.turn(policy.context, turn.goal, past, turn.observation, ()).text
        alone = policy.context == "window" or not past
        read = chat.opening(prompt) if alone else chat.following(prompt, end)
        answer = prompter.response("", turn.action, turn.observation)
        said = [*chat.answer(answer), end]
        past.append((turn.observation, turn.action))
        yield _Told(read, said, turn.stumble)


def _lesson(turns: Sequence[_Told], observation_weight: float, stumble_weight: float) -> Lesson:
    tokens: list[int] = []
    weights: list[float] = []
    taught: list[bool] = []
    for turn in turns:
        read, said = len(turn.read), len(turn.said)
        weight = stumble_weight if turn.stumble else 1.0
        tokens += [*turn.read, *turn.said]
        weights += [observation_weight] * read + [weight] * said
        taught += [False] * read + [weight == 1.0] * said
    return Lesson(
        np.array(tokens, dtype=np.int64),
        np.array(weights, dtype=np.float32),
        np.array(taught, dtype=np.bool_),
    )
