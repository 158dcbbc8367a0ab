"""What a rollout asks of a policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from proxmo.prompts import Prompter
from proxmo.types import Context, Step

Stop = Literal["end", "length", "full"]
"""Why a response ended where it did."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What answers cost."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    uncounted: int = 0
    """Requests whose server said nothing about tokens; theirs are missing above."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.uncounted + other.uncounted,
        )


@dataclass(frozen=True, slots=True)
class Response:
    """What a policy said in one turn."""

    text: str
    prompt_ids: Sequence[int] = ()
    """All tokens that stood before the response; in a conversation those of earlier turns, too. A
    tuple or `proxmo.tokens.Tokens`, of which a conversation's turns share theirs."""
    remembered: int = 0
    """How many of them were not read anew: they had been, a turn earlier."""
    response_ids: tuple[int, ...] = ()
    """Sampled tokens, the end-of-turn token included."""
    logprobs: tuple[float, ...] = ()
    """Log-probability of each sampled token."""
    stop: Stop = "end"
    """`end`: the policy ended its turn; `length`: the response was cut; `full`: the
    conversation has no room for another turn, nothing was sampled."""
    cut: bool = False
    """Whether its prompt left something out for want of room."""
    usage: Usage | None = None
    """What the answer cost in all, where a server counts; None: the tokens above, once."""


class Dialogue(Protocol):
    """The policy's side of a batch of episodes, one row each."""

    def respond(self, rows: Sequence[int], prompts: Sequence[str]) -> list[Response]:
        """Answer `prompts[i]` in episode `rows[i]`.

        `rows` ascend, and an episode that is left out has ended: it never comes back.
        """
        ...


class Policy(Protocol):
    """A producer of responses."""

    context: Context
    prompter: Prompter

    def open(
        self, rngs: Sequence[np.random.Generator], *, temperature: float, greedy: bool
    ) -> Dialogue:
        """Begin `len(rngs)` episodes; each samples from its own generator only."""
        ...


@runtime_checkable
class Resumable(Policy, Protocol):
    """A policy that can go on from turns that it took before, as often as one likes."""

    def resume(
        self,
        pasts: Sequence[Sequence[Step]],
        rngs: Sequence[np.random.Generator],
        *,
        temperature: float,
        greedy: bool,
    ) -> Dialogue:
        """Episodes that stand behind `pasts[i]`, as if this policy had just played them.

        Steps are recorded ones, with their tokens. Each episode samples from its own generator.
        """
        ...


def fits(policy: Policy) -> Callable[[str], bool]:
    """Whether a first prompt, or that of a window, fits: the policy's own `fits(prompt)`.

    Where it has none, as a server whose limit nobody knows, everything does.
    """
    return getattr(policy, "fits", lambda prompt: True)
