"""What windows and conversations share: whom they ask, and what an answer is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import torch

from proxmo.policies.base import Response
from proxmo.policies.chat import ChatFormat
from proxmo.policies.transformers.settings import PromptSettings
from proxmo.tokens import Tokens


class Speaker(Protocol):
    """A model that samples, with its tokens and its limits."""

    model: Any
    settings: PromptSettings
    chat: ChatFormat

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    def precision(self) -> AbstractContextManager[object]:
        """Inside this `with`, the model computes in its precision."""
        ...


class PlayedEpisodes:
    """Episodes that one policy plays side by side."""

    def __init__(
        self,
        policy: Speaker,
        rngs: Sequence[np.random.Generator],
        *,
        temperature: float,
        greedy: bool,
    ) -> None:
        self._policy = policy
        self._rngs = rngs
        self._temperature = temperature
        self._greedy = greedy

    def _response(
        self,
        prompt_ids: Tokens,
        said: tuple[list[int], list[float]],
        remembered: int = 0,
    ) -> Response:
        ids, logprobs = said
        return Response(
            text=self._policy.chat.text(ids),
            prompt_ids=prompt_ids,
            response_ids=tuple(ids),
            logprobs=tuple(logprobs),
            remembered=remembered,
            stop="end" if ids[-1] in self._policy.chat.end_ids else "length",
        )


def alike(widths: Sequence[int]) -> list[list[int]]:
    """Row numbers in groups of like width: in none is a row less than half as wide as another.

    Observations of a turn differ tenfold; padded to the widest, most of a batch is padding.
    """
    groups: dict[int, list[int]] = {}
    for row, width in enumerate(widths):
        groups.setdefault(width.bit_length(), []).append(row)
    return list(groups.values())
