"""The loss's parts, against numbers worked by hand and plain per-row log-probabilities."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from proxmo.loss.kl import k3_kl
from proxmo.loss.ppo import ppo_clip
from proxmo.policies.transformers.logprobs import response_logprobs
from proxmo.training.rows import Row, micro_batches, pad, rows_of
from proxmo.types import Step, Trajectory


def row(tokens, response, advantage=1.0):
    mask = np.array(response, dtype=bool)
    return Row(np.array(tokens), mask, advantage * mask, np.zeros(len(tokens)))


def step(prompt_ids, response_ids):
    said = tuple(-0.5 * n for n in range(1, len(response_ids) + 1))
    return Step("", "", "", "", 0.0, True, tuple(prompt_ids), tuple(response_ids), said)


def trajectory(*steps, context):
    return Trajectory("t", "g", "g", "", 0, steps, success=False, context=context)


def test_the_surrogate_is_clipped_where_that_makes_it_worse():
    ratios = torch.tensor([1.5, 1.5, 0.5, 0.5])
    advantages = torch.tensor([2.0, -2.0, 2.0, -2.0])
    loss = ppo_clip(ratios.log(), torch.zeros(4), advantages, low=0.2, high=0.3)
    assert loss.tolist() == pytest.approx([-2.6, 3.0, -1.0, 1.6])


def test_k3_is_zero_where_policies_agree_and_positive_elsewhere():
    kl = k3_kl(torch.tensor([0.5, 0.5, 0.2]).log(), torch.tensor([0.5, 0.25, 0.4]).log())
    assert kl.tolist() == pytest.approx([0.0, 0.5 - 1 + np.log(2), 2 - 1 - np.log(2)], abs=1e-6)


def tiny_model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=11,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    return LlamaForCausalLM(config).eval()


def logprobs_of(model, rows, temperature=1.0):
    batch = pad(rows)
    return response_logprobs(model, batch.input_ids, batch.response_mask, temperature)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_are_those_of_each_row_alone(temperature):
    model = tiny_model()
    rows = [row([1, 2, 3, 4, 5, 6], [0, 0, 1, 0, 1, 1]), row([7, 8, 9], [0, 1, 1])]
    expected = []
    for r in rows:
        logits = model(input_ids=torch.tensor(r.tokens)[None]).logits[0].detach() / temperature
        logprobs = logits.log_softmax(-1)
        expected += [float(logprobs[t - 1, r.tokens[t]]) for t in np.flatnonzero(r.response_mask)]
    found = logprobs_of(model, rows, temperature)
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_only_positions_that_predict_a_response_reach_the_last_layer():
    model, seen = tiny_model(), []
    model.lm_head.register_forward_hook(lambda _, inputs, out: seen.append(tuple(out.shape)))
    rows = [row([1, 2, 3, 4], [0, 0, 1, 0]), row([5, 6], [0, 1])]
    logprobs_of(model, rows)
    assert seen == [(1, 2, 11)]
    model(input_ids=torch.tensor([[1, 2, 3]]))
    assert seen[1:] == [(1, 3, 11)], "the model is left as it was"


def test_a_conversation_is_one_row_and_each_window_is_one():
    steps = step([1, 2], [3]), step([4], [5, 6])
    (whole,) = rows_of([trajectory(*steps, context="conversation")], np.array([0.5, -2.0]))
    assert whole.tokens.tolist() == [1, 2, 3, 4, 5, 6]
    assert whole.response_mask.tolist() == [False, False, True, False, True, True]
    assert whole.advantages.tolist() == [0, 0, 0.5, 0, -2, -2]
    assert whole.old_logprobs.tolist() == [0, 0, -0.5, 0, -0.5, -1]
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


def test_micro_batches_keep_every_row_within_the_limit():
    rows = [row(range(1, n + 1), [0] + [1] * (n - 1)) for n in (9, 2, 5, 3, 2, 30, 4)]
    batches = micro_batches(rows, max_tokens=12)
    sizes = [b.input_ids.numel() for b in batches]
    assert all(size <= 12 or len(b.input_ids) == 1 for size, b in zip(sizes, batches, strict=True))
    lengths = [int(n) for b in batches for n in b.response_mask.sum(1) + 1]
    assert sorted(lengths) == [2, 2, 3, 4, 5, 9, 30]
