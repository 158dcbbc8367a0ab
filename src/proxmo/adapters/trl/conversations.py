"""Episodes as growing conversations of tokens, answered turn by turn by any generator.

The policy's side of `proxmo.episodes.play`: no torch, and nothing of TRL but the function that
turns prompts of token ids into sampled ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from proxmo.policies.base import Response
from proxmo.policies.chat import ChatFormat
from proxmo.prompts import Prompter
from proxmo.types import Context

Sampled = tuple[list[list[int]], list[list[float]] | None]
"""Sampled token ids of each prompt and, where the generator tells, their log-probabilities."""

Generate = Callable[[list[list[int]], int], Sampled]
"""`(prompts, limit)`: continue each prompt by at most `limit` tokens (more are cut off)."""


@dataclass(slots=True)
class Conversation:
    """One episode as a row of tokens: the first prompt, and all that followed.

    `completion_ids`, `mask` and `logprobs` have one entry per token. The tokens of turn t
    are the t-th run of `turns[t]` ones in `mask`; everything else was said by the environment.
    """

    prompt_ids: list[int] = field(default_factory=list)
    opening: str = ""
    """Text of the first prompt."""
    messages: list[dict[str, str]] = field(default_factory=list)
    """What followed it, in turns of "assistant" and "user"."""
    completion_ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    """1 where the policy sampled the token, 0 where the environment put it."""
    logprobs: list[float] = field(default_factory=list)
    """As the generator reported them; 0 for the environment's tokens; all 0 if it does not."""
    turns: list[int] = field(default_factory=list)
    """Number of sampled tokens of each turn."""
    last: int | None = None
    """Last token of the last response, if any was sampled."""
    full: bool = False
    """Whether it ended because `max_completion_length` left no room for a response."""

    def hear(self, text: str, ids: Sequence[int]) -> None:
        """Add what the environment says."""
        if not self.turns:
            self.opening, self.prompt_ids = text, list(ids)
            return
        self.messages.append({"role": "user", "content": text})
        self._extend(ids, 0, None)

    def say(self, text: str, ids: Sequence[int], logprobs: Sequence[float] | None) -> None:
        """Add a sampled response."""
        self.messages.append({"role": "assistant", "content": text})
        self._extend(ids, 1, logprobs)
        self.turns.append(len(ids))

    def mute(self) -> None:
        """Take every token for the environment's: the episode failed, and none is trained on."""
        self.mask = [0] * len(self.mask)
        self.turns = [0] * len(self.turns)

    def _extend(self, ids: Sequence[int], mask: int, logprobs: Sequence[float] | None) -> None:
        self.completion_ids.extend(ids)
        self.mask.extend([mask] * len(ids))
        self.logprobs.extend([0.0] * len(ids) if logprobs is None else logprobs)


@dataclass(slots=True)
class ConversationPolicy:
    """A policy for `proxmo.episodes.play` whose tokens come from `generate`, one call a turn."""

    generate: Generate
    chat: ChatFormat
    prompter: Prompter
    max_response_tokens: int
    """Longest response of a turn."""
    max_completion_length: int
    """Longest conversation after its first prompt, the environment's tokens included."""
    conversations: list[Conversation] = field(default_factory=list)
    """A row per episode, filled while they are played."""
    context: Context = "conversation"

    def open(
        self, rngs: Sequence[np.random.Generator], *, temperature: float, greedy: bool
    ) -> ConversationPolicy:
        """Begin `len(rngs)` episodes; how tokens are sampled is the generator's affair."""
        self.conversations[:] = [Conversation() for _ in rngs]
        return self

    def respond(self, rows: Sequence[int], prompts: Sequence[str]) -> list[Response]:
        """Answer `prompts[i]` in episode `rows[i]`: one batch of prompts for all of them."""
        responses = [Response("", stop="full") for _ in rows]
        room: dict[int, int] = {}
        for i, (row, text) in enumerate(zip(rows, prompts, strict=True)):
            if (left := self._hear(self.conversations[row], text)) > 0:
                room[i] = left
        if not room:
            return responses
        asked = [self.conversations[rows[i]] for i in room]
        sampled, logprobs = self.generate(
            [row.prompt_ids + row.completion_ids for row in asked], max(room.values())
        )
        for number, (i, left) in enumerate(room.items()):
            ids = sampled[number][:left]
            scores = None if logprobs is None else logprobs[number][:left]
            responses[i] = self._say(asked[number], ids, scores)
        return responses

    def _hear(self, row: Conversation, text: str) -> int:
        """Add what the environment says, and return how many tokens the response may have."""
        if not row.turns:
            row.hear(text, self.chat.opening(text))
            return min(self.max_response_tokens, self.max_completion_length)
        ids = self.chat.following(text, row.last)
        left = self.max_completion_length - len(row.completion_ids)
        row.full = len(ids) >= left
        # A conversation that is cut ends where the limit is, and so counts as cut in TRL.
        row.hear(text, ids[:left])
        return min(self.max_response_tokens, left - len(ids))

    def _say(
        self, row: Conversation, ids: Sequence[int], logprobs: Sequence[float] | None
    ) -> Response:
        end_ids = self.chat.end_ids
        text = self.chat.tokenizer.decode(
            [token for token in ids if token not in end_ids], skip_special_tokens=False
        )
        row.last = ids[-1] if ids else None
        row.say(text, ids, logprobs)
        return Response(text, stop="end" if row.last in end_ids else "length")


def never_started(filler: int) -> Conversation:
    """The row of an episode whose environment failed at once: one token, not trained on."""
    return Conversation(
        prompt_ids=[filler], completion_ids=[filler], mask=[0], logprobs=[0.0], turns=[0]
    )


def token_advantages(
    conversations: Sequence[Conversation], advantages: Sequence[Any], width: int
) -> np.ndarray:
    """Each turn's advantage on each of its tokens: (rows, width) float32, zero elsewhere.

    `advantages[i]` has one entry per turn of conversation i. Rows are padded on the right.
    """
    spread = np.zeros((len(conversations), width), np.float32)
    for line, row, values in zip(spread, conversations, advantages, strict=True):
        sampled = np.flatnonzero(row.mask)
        line[sampled] = np.repeat(np.asarray(values), row.turns)
    return spread
