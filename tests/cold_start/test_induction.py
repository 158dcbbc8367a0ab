"""A model that was never trained finds what followed the present token before."""

import math

import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from proxmo.cold_start.induction import lay_induction

VOCABULARY, HALF = 500, 60


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=256,
            intermediate_size=896,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=1,
            tie_word_embeddings=True,
        )
    )
    model.set_attn_implementation("eager")  # it returns what is attended to
    lay_induction(model)
    return model.eval()


@pytest.fixture
def seen_twice(model):
    """Random tokens, then the same again; what the model attends to and predicts there."""
    once = torch.stack([torch.randperm(VOCABULARY)[:HALF] for _ in range(4)])
    tokens = torch.cat([once, once], dim=1)
    with torch.no_grad():
        return tokens, model(tokens, output_attentions=True)


def test_the_first_head_of_the_first_layer_looks_one_token_back(seen_twice):
    _, out = seen_twice
    back = out.attentions[0][:, 0].diagonal(-1, dim1=1, dim2=2)
    assert back.min() > 0.95


def test_that_of_the_second_looks_at_what_followed_the_token_before(seen_twice):
    _, out = seen_twice
    # At place i of the second half, to what followed the same token in the first.
    followed = out.attentions[1][:, 0].diagonal(-(HALF - 1), dim1=1, dim2=2)[:, 1:]
    assert followed.mean() > 0.85


def test_what_followed_is_said(seen_twice):
    tokens, out = seen_twice
    logits = out.logits[:, HALF:-1]
    loss = F.cross_entropy(logits.reshape(-1, VOCABULARY), tokens[:, HALF + 1 :].reshape(-1))
    assert loss < math.log(VOCABULARY) - 1


def test_the_rest_begins_by_adding_nothing(model):
    for number, layer in enumerate(model.model.layers):
        assert not layer.mlp.down_proj.weight.any()
        first = layer.self_attn.o_proj.weight[:, : layer.self_attn.head_dim]
        others = layer.self_attn.o_proj.weight[:, layer.self_attn.head_dim :]
        assert not others.any()
        assert bool(first.any()) == (number < 2)
