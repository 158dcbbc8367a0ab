"""Token sequences of different lengths in batches that waste little."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import TypeVar

import numpy as np
import torch

T = TypeVar("T", bound=Sized)


def by_length(rows: Sequence[T], max_tokens: int) -> list[list[T]]:
    """All rows in batches of at most `max_tokens` padded tokens, shortest first.

    Rows of like length share a batch, so that little of it is padding. A row longer than
    `max_tokens` is a batch of its own.
    """
    batches: list[list[T]] = []
    for row in sorted(rows, key=len):
        if not batches or (len(batches[-1]) + 1) * len(row) > max_tokens:
            batches.append([])
        batches[-1].append(row)
    return batches


def padded(arrays: Sequence[np.ndarray], dtype: type) -> torch.Tensor:
    """The arrays as lines of one tensor (rows, tokens), padded with 0 on the right.

    There is no attention mask: a causal model's tokens do not see what stands behind them.
    """
    out = np.zeros((len(arrays), max(map(len, arrays))), dtype=dtype)
    for line, array in zip(out, arrays, strict=True):
        line[: len(array)] = array
    return torch.from_numpy(out)
