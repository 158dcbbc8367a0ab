"""The forward pass of learning, against plain per-row log-probabilities."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from proxmo.policies.transformers.batches import padded
from proxmo.policies.transformers.logprobs import response_logprobs

ROWS = [([1, 2, 3, 4, 5, 6], [0, 0, 1, 0, 1, 1]), ([7, 8, 9], [0, 1, 1])]


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
    ids = padded([np.array(tokens) for tokens, _ in rows], np.int64)
    said = padded([np.array(mask, dtype=bool) for _, mask in rows], np.bool_)
    return response_logprobs(model, ids, said, temperature)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_are_those_of_each_row_alone(temperature):
    model = tiny_model()
    expected = []
    for tokens, mask in ROWS:
        logits = model(input_ids=torch.tensor(tokens)[None]).logits[0].detach() / temperature
        logprobs = logits.log_softmax(-1)
        expected += [float(logprobs[t - 1, tokens[t]]) for t in np.flatnonzero(mask)]
    found = logprobs_of(model, ROWS, temperature)
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_only_positions_that_predict_a_response_reach_the_last_layer():
    model, seen = tiny_model(), []
    model.lm_head.register_forward_hook(lambda _, inputs, out: seen.append(tuple(out.shape)))
    logprobs_of(model, [([1, 2, 3, 4], [0, 0, 1, 0]), ([5, 6], [0, 1])])
    assert seen == [(1, 2, 11)]
    model(input_ids=torch.tensor([[1, 2, 3]]))
    assert seen[1:] == [(1, 3, 11)], "the model is left as it was"
