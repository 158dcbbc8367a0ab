"""Policies that follow a script instead of a model: for experts, baselines and tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from proxmo.policies.base import Response
from proxmo.prompts import Prompter
from proxmo.types import Context, Step


class ScriptedPolicy:
    """Answers each prompt with `act(row, turn, prompt)`, its text and nothing else."""

    def __init__(
        self,
        act: Callable[[int, int, str], str],
        *,
        context: Context = "conversation",
        prompter: Prompter | None = None,
    ) -> None:
        self.act = act
        self.context: Context = context
        self.prompter = prompter or Prompter()

    def open(
        self, rngs: Sequence[np.random.Generator], *, temperature: float, greedy: bool
    ) -> _ScriptedDialogue:
        """Begin `len(rngs)` episodes; sampling settings do not apply to a script."""
        return _ScriptedDialogue(self.act, [0] * len(rngs))

    def resume(
        self,
        pasts: Sequence[Sequence[Step]],
        rngs: Sequence[np.random.Generator],
        *,
        temperature: float,
        greedy: bool,
    ) -> _ScriptedDialogue:
        """Episodes that stand behind `pasts[i]`."""
        return _ScriptedDialogue(self.act, list(map(len, pasts)))


class _ScriptedDialogue:
    def __init__(self, act: Callable[[int, int, str], str], turns: list[int]) -> None:
        self._act = act
        self._turns = turns

    def respond(self, rows: Sequence[int], prompts: Sequence[str]) -> list[Response]:
        responses = []
        for row, prompt in zip(rows, prompts, strict=True):
            responses.append(Response(self._act(row, self._turns[row], prompt)))
            self._turns[row] += 1
        return responses
