"""Tokens are a tuple of ints that its longer versions share."""

import pickle
import tracemalloc

import pytest

from proxmo.tokens import Tokens


def test_tokens_are_a_sequence_like_a_tuple():
    ids = (5, 3, 150_000, 3)
    tokens = Tokens(ids)
    assert tokens == ids
    assert ids == tokens
    assert tokens != ids[:3]
    assert tokens != list(ids)
    assert list(tokens) == list(ids)
    assert len(tokens) == 4
    assert hash(tokens) == hash(ids)
    assert repr(tokens) == "Tokens([5, 3, 150000, 3])"


@pytest.mark.parametrize("start", [None, 0, 1, 4, -2, -9, 9])
@pytest.mark.parametrize("stop", [None, 0, 2, 4, -1, -9, 9])
@pytest.mark.parametrize("step", [None, 1, 2, -1, -2])
def test_slices_are_those_of_a_tuple(start, stop, step):
    ids = (5, 3, 8, 1)
    part = slice(start, stop, step)
    assert Tokens(ids)[part] == ids[part]
    assert Tokens(ids).then([7])[:4][part] == ids[part]


def test_an_index_counts_from_either_end_and_no_further_than_the_tokens():
    first = Tokens([5, 3])
    first.then([9])
    assert (first[1], first[-1], first[-2]) == (3, 3, 5)
    for index in (2, -3):
        with pytest.raises(IndexError):
            first[index]


def test_what_goes_on_from_tokens_changes_none_of_them():
    first = Tokens([1, 2])
    longer, other = first.then([3]), first.then([4, 5])
    cut = longer[:1].then([9])
    assert (first, longer, other, cut) == ((1, 2), (1, 2, 3), (1, 2, 4, 5), (1, 9))
    assert longer == Tokens([1, 2, 3])
    assert longer[:2] == first
    assert longer != other[:3]


def test_pickled_tokens_are_the_same_and_still_share_their_run():
    turns = [Tokens(range(20_000))]
    for _ in range(9):
        turns.append(turns[-1].then(range(100)))
    sent = pickle.dumps(turns)
    assert len(sent) < 2 * 4 * len(turns[-1])
    assert pickle.loads(sent) == turns


def test_the_turns_of_a_conversation_cost_what_its_last_one_costs():
    tracemalloc.start()
    turns = [Tokens()]
    for _ in range(50):
        turns.append(turns[-1].then(range(100_000, 102_000)))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 * 4 * len(turns[-1])  # tuples: 8 bytes x 25 times as many, and their ints
