"""Trajectories and their advantages to padded batches of token sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from proxmo.policies.transformers.batches import by_length, padded
from proxmo.types import Step, Trajectory


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One token sequence to learn from; every array is (tokens,)."""

    tokens: np.ndarray
    response_mask: np.ndarray
    """True where the policy sampled the token."""
    advantages: np.ndarray
    """The advantage of the step that a response token belongs to; 0 elsewhere."""
    old_logprobs: np.ndarray
    """Log-probability of a response token when it was sampled; 0 elsewhere."""

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows padded on the right to the longest; every tensor is (rows, tokens).

    There is no attention mask: a causal model's tokens do not see what stands behind them.
    """

    input_ids: torch.Tensor
    response_mask: torch.Tensor
    advantages: torch.Tensor
    old_logprobs: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on `device`."""
        return Batch(
            self.input_ids.to(device),
            self.response_mask.to(device),
            self.advantages.to(device),
            self.old_logprobs.to(device),
        )


def rows_of(trajectories: Sequence[Trajectory], advantages: np.ndarray) -> list[Row]:
    """The sequences to learn from, given one advantage per step, trajectory by trajectory.

    A conversation is one row; of windows, every step is one. Steps in which nothing was
    sampled (the environment broke) give no row and no token.
    """
    count = sum(len(trajectory.steps) for trajectory in trajectories)
    assert advantages.shape == (count,), f"{advantages.shape} advantages for {count} steps"
    rows, first = [], 0
    for trajectory in trajectories:
        own = advantages[first : first + len(trajectory.steps)].tolist()
        first += len(own)
        turns = list(zip(trajectory.steps, own, strict=True))
        sequences = [turns] if trajectory.context == "conversation" else [[turn] for turn in turns]
        rows += [
            _row(sequence) for sequence in sequences if any(s.response_ids for s, _ in sequence)
        ]
    return rows


def micro_batches(rows: Sequence[Row], max_tokens: int) -> list[Batch]:
    """All rows in batches of at most `max_tokens` padded tokens, shortest first."""
    return [pad(batch) for batch in by_length(rows, max_tokens)]


def pad(rows: Sequence[Row]) -> Batch:
    """One batch of these rows."""
    return Batch(
        input_ids=padded([row.tokens for row in rows], np.int64),
        response_mask=padded([row.response_mask for row in rows], np.bool_),
        advantages=padded([row.advantages for row in rows], np.float32),
        old_logprobs=padded([row.old_logprobs for row in rows], np.float32),
    )


def _row(turns: Sequence[tuple[Step, float]]) -> Row:
    tokens: list[int] = []
    mask: list[bool] = []
    advantages: list[float] = []
    logprobs: list[float] = []
    for step, advantage in turns:
        read, said = len(step.prompt_ids), len(step.response_ids)
        tokens += [*step.prompt_ids, *step.response_ids]
        mask += [False] * read + [True] * said
        advantages += [0.0] * read + [advantage] * said
        logprobs += [0.0] * read + list(step.logprobs)
    return Row(
        tokens=np.array(tokens, dtype=np.int64),
        response_mask=np.array(mask, dtype=np.bool_),
        advantages=np.array(advantages, dtype=np.float32),
        old_logprobs=np.array(logprobs, dtype=np.float32),
    )
