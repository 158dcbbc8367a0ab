"""What a policy's answers cost, counted from outside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proxmo.policies.base import Dialogue, Policy, Response, Usage, fits
from proxmo.types import Context


class MeteredPolicy:
    """Another policy, with its cost so far in `usage`."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.context: Context = policy.context
        self.prompter = policy.prompter
        self.fits = fits(policy)
        self.usage = Usage()

    def open(
        self, rngs: Sequence[np.random.Generator], *, temperature: float, greedy: bool
    ) -> Dialogue:
        """Begin episodes of the other policy, counted."""
        return _Counted(self, self._policy.open(rngs, temperature=temperature, greedy=greedy))


class _Counted:
    def __init__(self, meter: MeteredPolicy, dialogue: Dialogue) -> None:
        self._meter = meter
        self._dialogue = dialogue

    def respond(self, rows: Sequence[int], prompts: Sequence[str]) -> list[Response]:
        responses = self._dialogue.respond(rows, prompts)
        for response in responses:
            self._meter.usage += _cost(response)
        return responses


def _cost(response: Response) -> Usage:
    if response.usage is not None:
        return response.usage
    if response.stop == "full":  # nothing was asked
        return Usage()
    return Usage(1, len(response.prompt_ids) - response.remembered, len(response.response_ids))
