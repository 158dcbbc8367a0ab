"""Rows of a cache that grow by turns of their own lengths, beside plain attention."""

import torch
import torch.nn.functional as F

from proxmo.policies import cache as cache_module
from proxmo.policies.cache import SlotCache

CPU = torch.device("cpu")


def numbers(*values):
    return torch.tensor(values)


def test_tokens_take_the_slots_behind_the_real_ones_and_see_those_up_to_their_own():
    cache = SlotCache(3, layers=1, device=CPU)
    positions, mask = cache.place(numbers(0, 1, 2), 3)
    assert positions.tolist() == [[0, 1, 2]] * 3
    assert mask[1, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    cache.advance(numbers(3, 1, 2))
    assert cache.lengths.tolist() == [3, 1, 2]
    positions, mask = cache.place(numbers(0, 2), 2)
    assert positions.tolist() == [[3, 4], [2, 3]]
    assert cache.get_seq_length() == 5  # the longest row's, as long as it takes part
    assert mask[1, 0].int().tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]
    cache.advance(numbers(1, 2))
    assert cache.lengths.tolist() == [4, 1, 4]
    assert cache.place(numbers(1), 1)[0].tolist() == [[1]]
    assert cache.get_seq_length() == 2


def test_rows_are_kept_in_the_order_asked_for():
    cache = SlotCache(3, layers=1, device=CPU)
    cache.place(numbers(0, 1, 2), 2)
    cache.advance(numbers(2, 1, 0))
    cache.select(numbers(2, 0))
    assert cache.lengths.tolist() == [0, 2]
    assert cache.place(numbers(0, 1), 1)[0].tolist() == [[0], [2]]


def test_each_row_attends_as_if_its_own_tokens_were_all_there_is(monkeypatch):
    monkeypatch.setattr(cache_module, "_GROWTH", 4)  # so that memory grows on the way
    torch.manual_seed(0)
    # Each turn: who takes part, and how many of the tokens placed are real.
    turns = [((0, 1, 2), (3, 1, 2)), ((0, 2), (1, 2)), ((0, 1, 2), (2, 5, 1)), ((1,), (1,))]
    texts = [torch.randn(3, 2, 9, 4) for _ in range(3)]  # queries, keys, values of 9 tokens
    cache, seen, told = SlotCache(3, layers=2, device=CPU), [0, 0, 0], [[], [], []]

    def turn(names, counts, rows):
        width = max(counts)
        queries, keys, values = torch.full((3, len(names), 2, width, 4), 1e3)  # padding is loud
        for i, (name, count) in enumerate(zip(names, counts, strict=True)):
            now = texts[name][:, :, seen[name] : seen[name] + count]
            queries[i, :, :count], keys[i, :, :count], values[i, :, :count] = now
            seen[name] += count
        _, mask = cache.place(rows, width)
        for layer in range(2):
            held = cache.update(keys, values, layer)
            out = F.scaled_dot_product_attention(queries, *held, attn_mask=mask)
            if layer:
                for i, (name, count) in enumerate(zip(names, counts, strict=True)):
                    told[name].append(out[i, :, :count])
        cache.advance(torch.tensor(counts))

    for names, counts in turns:
        turn(names, counts, torch.tensor(names))
    cache.select(numbers(1, 2))  # row 0 has ended: its place is another's now
    turn((1, 2), (1, 3), numbers(0, 1))
    assert seen == [6, 8, 8]
    for text, length, parts in zip(texts, seen, told, strict=True):
        queries, keys, values = text[:, :, :length]
        whole = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        torch.testing.assert_close(torch.cat(parts, dim=1), whole)
