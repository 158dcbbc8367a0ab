"""Trajectories and their advantages to padded batches of token sequences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
class SharedRow:
    """Rows with the same tokens, of which the same were sampled: the model reads them once."""

    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.rows[0])


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Sequences padded on the right to the longest, and what their response tokens are worth.

    There is no attention mask: a causal model's tokens do not see what stands behind them.
    """

    input_ids: torch.Tensor
    """(sequences, tokens)"""
    response_mask: torch.Tensor
    """(sequences, tokens) True where the policy sampled the token."""
    place: torch.Tensor
    """(response tokens of all rows,) Which response token of the sequences each one is, counted
    as `tensor[response_mask]` has them: a sequence that several rows share comes several times."""
    advantages: torch.Tensor
    """(response tokens of all rows,)"""
    old_logprobs: torch.Tensor
    """(response tokens of all rows,)"""
    rows: int
    """Rows that the sequences stand for."""

    def to(self, device: torch.device) -> Batch:
        """The same batch on `device`."""
        return Batch(
            self.input_ids.to(device),
            self.response_mask.to(device),
            self.place.to(device),
            self.advantages.to(device),
            self.old_logprobs.to(device),
            self.rows,
        )


def rows_of(trajectories: Sequence[Trajectory], advantages: np.ndarray) -> list[Row]:
    """The sequences to learn from, given one advantage per step, trajectory by trajectory.

    A step whose prompt begins with all of the step before, prompt and response, goes on in its
    row: a conversation is one row, and of windows, every step is one. Steps in which nothing was
    sampled give no row and no token, nor do episodes that their environment broke off.
    """
    count = sum(len(trajectory.steps) for trajectory in trajectories)
    assert advantages.shape == (count,), f"{advantages.shape} advantages for {count} steps"
    rows, first = [], 0
    for trajectory in trajectories:
        own = advantages[first : first + len(trajectory.steps)].tolist()
        first += len(own)
        if trajectory.failed:
            continue
        rows += [_row(turns) for turns in _sequences(zip(trajectory.steps, own, strict=True))]
    return rows


def shared(rows: Sequence[Row]) -> list[SharedRow]:
    """Rows that repeat each other put together, in the order of the first of each.

    Many do where an episode begins as others of its task do: in a shop, all ask the same page.
    """
    found: dict[tuple[bytes, bytes], list[Row]] = {}
    for row in rows:
        key = row.tokens.tobytes(), row.response_mask.tobytes()
        found.setdefault(key, []).append(row)
    return [SharedRow(tuple(same)) for same in found.values()]


def micro_batches(rows: Sequence[SharedRow], max_tokens: int) -> list[Batch]:
    """All rows in batches of at most `max_tokens` padded tokens to read, shortest first."""
    return [pad(batch) for batch in by_length(rows, max_tokens)]


def pad(sequences: Sequence[SharedRow]) -> Batch:
    """One batch of these sequences."""
    ends = np.cumsum([int(sequence.rows[0].response_mask.sum()) for sequence in sequences])
    own = np.split(np.arange(ends[-1]), ends[:-1])  # where each one's response tokens are
    rows = [row for sequence in sequences for row in sequence.rows]
    said = [row.response_mask for row in rows]
    place = [own[i] for i, sequence in enumerate(sequences) for _ in sequence.rows]
    return Batch(
        input_ids=padded([sequence.rows[0].tokens for sequence in sequences], np.int64),
        response_mask=padded([s.rows[0].response_mask for s in sequences], np.bool_),
        place=torch.from_numpy(np.concatenate(place)),
        advantages=_said([row.advantages for row in rows], said),
        old_logprobs=_said([row.old_logprobs for row in rows], said),
        rows=len(rows),
    )


def _said(arrays: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> torch.Tensor:
    """The entries of response tokens, row by row."""
    own = [array[mask] for array, mask in zip(arrays, masks, strict=True)]
    return torch.from_numpy(np.concatenate(own).astype(np.float32))


def _sequences(turns: Iterable[tuple[Step, float]]) -> list[list[tuple[Step, float]]]:
    """Turns in which something was said, those together of which each leads to the next."""
    found: list[list[tuple[Step, float]]] = []
    for step, advantage in turns:
        if not step.response_ids:
            continue
        if found and _leads_to(found[-1][-1][0], step):
            found[-1].append((step, advantage))
        else:
            found.append([(step, advantage)])
    return found


def _leads_to(step: Step, later: Step) -> bool:
    """Whether the later prompt begins with all of the step, prompt and response."""
    read, end = len(step.prompt_ids), len(step.prompt_ids) + len(step.response_ids)
    return (
        later.prompt_ids[read:end] == step.response_ids
        and later.prompt_ids[:read] == step.prompt_ids
    )


def _row(turns: Sequence[tuple[Step, float]]) -> Row:
    tokens: list[int] = []
    mask: list[bool] = []
    advantages: list[float] = []
    logprobs: list[float] = []
    for step, advantage in turns:
        new = step.prompt_ids[len(tokens) :]
        read, said = len(new), len(step.response_ids)
        tokens += [*new, *step.response_ids]
        mask += [False] * read + [True] * said
        advantages += [0.0] * read + [advantage] * said
        logprobs += [0.0] * read + list(step.logprobs)
    return Row(
        tokens=np.array(tokens, dtype=np.int64),
        response_mask=np.array(mask, dtype=np.bool_),
        advantages=np.array(advantages, dtype=np.float32),
        old_logprobs=np.array(logprobs, dtype=np.float32),
    )
