"""From trajectories to rows, and from rows to batches."""

import numpy as np
import pytest

from proxmo.training.rows import Row, micro_batches, pad, rows_of, shared
from proxmo.types import Step, Trajectory


def row(tokens, response, advantage=1.0):
    mask = np.array(response, dtype=bool)
    return Row(np.array(tokens), mask, advantage * mask, np.zeros(len(tokens)))


def step(prompt_ids, response_ids):
    said = tuple(-0.5 * n for n in range(1, len(response_ids) + 1))
    return Step("", "", "", "", 0.0, True, tuple(prompt_ids), tuple(response_ids), said)


def trajectory(*steps, context):
    return Trajectory("t", "g", "g", "", 0, steps, success=False, context=context)


def test_a_conversation_is_one_row_and_each_window_is_one():
    steps = step([1, 2], [3]), step([1, 2, 3, 4], [5, 6])
    (whole,) = rows_of([trajectory(*steps, context="conversation")], np.array([0.5, -2.0]))
    assert whole.tokens.tolist() == [1, 2, 3, 4, 5, 6]
    assert whole.response_mask.tolist() == [False, False, True, False, True, True]
    assert whole.advantages.tolist() == [0, 0, 0.5, 0, -2, -2]
    assert whole.old_logprobs.tolist() == [0, 0, -0.5, 0, -0.5, -1]
    steps = step([1, 2], [3]), step([4], [5, 6])
    windows = rows_of([trajectory(*steps, context="window")], np.array([0.5, -2.0]))
    assert [w.tokens.tolist() for w in windows] == [[1, 2, 3], [4, 5, 6]]
    assert [w.advantages.tolist() for w in windows] == [[0, 0, 0.5], [0, -2, -2]]


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_an_episode_that_said_nothing_gives_no_row_and_shifts_no_advantage(context):
    silent, spoke = (
        trajectory(step([], []), context=context),
        trajectory(step([1], [2]), context=context),
    )
    rows = rows_of([silent, spoke], np.array([7.0, 3.0]))
    assert [r.advantages.tolist() for r in rows] == [[0, 3]]


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_a_step_goes_on_in_the_row_of_the_one_that_its_prompt_begins_with(context):
    steps = step([1], [2]), step([1, 2, 3], [4]), step([1, 2, 9], [5]), step([1, 2, 9, 5], [6])
    rows = rows_of([trajectory(*steps, context=context)], np.arange(4.0))
    assert [r.tokens.tolist() for r in rows] == [[1, 2, 3, 4], [1, 2, 9, 5, 6]]
    assert [r.advantages.tolist() for r in rows] == [[0, 0, 0, 1], [0, 0, 0, 2, 3]]


def test_rows_that_repeat_each_other_are_put_together():
    first, second, other = row([1, 2], [0, 1], 1.0), row([1, 2], [0, 1], -2.0), row([1, 3], [0, 1])
    said_more = row([1, 2], [1, 1])
    assert [len(s.rows) for s in shared([first, other, second, said_more])] == [2, 1, 1]


def test_a_batch_says_what_each_response_token_of_each_row_is_worth():
    rows = [
        row([1, 2, 3], [0, 1, 1], 1.0),
        row([4, 5], [0, 1], 2.0),
        row([1, 2, 3], [0, 1, 1], 3.0),
    ]
    batch = pad(shared(rows))
    assert batch.input_ids.tolist() == [[1, 2, 3], [4, 5, 0]]
    assert batch.place.tolist() == [0, 1, 0, 1, 2]
    assert batch.advantages.tolist() == [1, 1, 3, 3, 2]
    assert batch.rows == 3


def test_micro_batches_keep_every_row_within_the_limit():
    rows = [row(range(1, n + 1), [0] + [1] * (n - 1)) for n in (9, 2, 5, 3, 2, 30, 4)]
    batches = micro_batches(shared(rows), max_tokens=12)
    sizes = [b.input_ids.numel() for b in batches]
    assert all(size <= 12 or len(b.input_ids) == 1 for size, b in zip(sizes, batches, strict=True))
    assert sum(b.rows for b in batches) == 7
    assert sum(len(b.advantages) for b in batches) == 8 + 1 + 4 + 2 + 1 + 29 + 3
