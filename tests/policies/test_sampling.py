"""Tokens drawn from logits, with numbers worked by hand."""

import math

import numpy as np
import pytest
import torch

from proxmo.policies.sampling import decode, sample

# Of 1, 4 and 16 in 21: up to 0.048, 0.238 and 1. At temperature 2 of 1, 2 and 4 in 7: up to 0.143,
# 0.429 and 1.
LOGITS = torch.tensor([1.0, 4.0, 16.0]).log()


@pytest.mark.parametrize(
    ("temperature", "draws", "tokens"),
    [
        (1.0, [0.0, 0.04, 0.05, 0.23, 0.24, 0.9999999], [0, 0, 1, 1, 2, 2]),
        (2.0, [0.0, 0.14, 0.15, 0.42, 0.43, 0.9999999], [0, 0, 1, 1, 2, 2]),
    ],
)
def test_a_draw_takes_the_token_in_whose_share_it_falls(temperature, draws, tokens):
    weights = torch.tensor([1.0, 4.0, 16.0]) ** (1 / temperature)
    logits = LOGITS.expand(len(draws), 3)
    drawn, logprobs = sample(logits, np.array(draws), temperature)
    assert drawn.tolist() == tokens
    assert logprobs.tolist() == pytest.approx((weights / weights.sum()).log()[drawn].tolist())


def test_without_draws_the_most_likely_token_is_taken_at_its_own_probability():
    logits = torch.stack([LOGITS, LOGITS.flip(0)])
    tokens, logprobs = sample(logits, None, 1.0)
    assert tokens.tolist() == [2, 0]
    assert logprobs.tolist() == pytest.approx([math.log(16 / 21)] * 2)
    assert sample(logits, None, 2.0)[1].tolist() == pytest.approx([math.log(4 / 7)] * 2)


def test_a_token_without_probability_is_never_drawn():
    logits = torch.tensor([[0.0, -math.inf, 0.0, -math.inf]]).expand(4, 4)
    tokens, _ = sample(logits, np.array([0.0, 0.499, 0.501, np.nextafter(1.0, 0.0)]), 1.0)
    assert tokens.tolist() == [0, 0, 2, 2]


def test_rows_speak_until_their_end_or_their_limit_and_draw_from_their_own_numbers_only():
    """Row 0 counts up and ends with 3, row 1 counts up to its limit."""
    fed = []

    def certain(tokens):
        return torch.full((2, 9), -math.inf).scatter(1, tokens[:, None], 0.0)

    def advance(tokens, alive):
        fed.append((tokens.tolist(), alive.tolist()))
        return certain(tokens + 1)

    rngs = [np.random.default_rng(seed) for seed in (0, 1)]
    said = decode(
        certain(torch.tensor([2, 4])),
        advance,
        rngs,
        limits=[9, 4],
        end_ids=frozenset([3]),
        temperature=1.0,
        greedy=False,
    )
    assert said == [([2, 3], [0.0, 0.0]), ([4, 5, 6, 7], [0.0] * 4)]
    assert [alive for _, alive in fed] == [[True, True], [False, True], [False, True]]
    assert [tokens[1] for tokens, _ in fed] == [4, 5, 6]
    for rng, seed, drawn in zip(rngs, (0, 1), (2, 4), strict=True):
        again = np.random.default_rng(seed)
        again.random(drawn)
        assert rng.random() == again.random()


def test_greedy_decoding_draws_nothing():
    rng = np.random.default_rng(0)
    said = decode(
        LOGITS[None],
        lambda tokens, alive: LOGITS[None],
        [rng],
        limits=[2],
        end_ids=frozenset(),
        temperature=1.0,
        greedy=True,
    )
    assert said[0][0] == [2, 2]
    assert rng.random() == np.random.default_rng(0).random()
