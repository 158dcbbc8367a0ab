"""Sequences in batches: all of them, little padding."""

import numpy as np

from proxmo.policies.transformers.batches import by_length, padded


def test_batches_keep_every_row_within_the_limit():
    rows = ["x" * n for n in (9, 2, 5, 3, 2, 30, 4)]
    batches = by_length(rows, max_tokens=12)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(map(len, batch)) <= 12
    assert [len(row) for batch in batches for row in batch] == [2, 2, 3, 4, 5, 9, 30]


def test_nothing_gives_no_batch():
    assert by_length([], max_tokens=12) == []


def test_what_is_shorter_is_padded_on_the_right():
    assert padded([np.array([1, 2, 3]), np.array([4])], np.int64).tolist() == [[1, 2, 3], [4, 0, 0]]
