"""Attention for CPUs, beside PyTorch's."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from proxmo.policies import attention
from proxmo.policies.attention import CPU_ATTENTION, grouped_attention

SCALE = 0.3


def states(tokens: int, slots: int, groups: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Queries of 4 heads, keys and values."""
    torch.manual_seed(0)
    queries = torch.randn(3, 4, tokens, 8, requires_grad=True)
    keys, values = torch.randn(2, 3, groups, slots, 8, requires_grad=True).unbind()
    return queries, keys, values


def tiny_model(attention_dropout: float = 0.0) -> LlamaForCausalLM:
    """Four heads in two groups."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            attention_dropout=attention_dropout,
        )
    )


@pytest.mark.parametrize("tokens", [1, 5, 128, 300])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_without_a_mask_it_is_causal_attention_and_so_is_its_gradient(tokens, groups):
    inputs = states(tokens, tokens, groups=groups)
    ours = grouped_attention(*inputs, None, SCALE)
    queries, keys, values = inputs
    theirs = F.scaled_dot_product_attention(
        queries, keys, values, is_causal=True, scale=SCALE, enable_gqa=True
    )
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn_like(ours)
    for mine, expected in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((theirs * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, expected)


def test_values_may_be_narrower_than_queries():
    queries, keys, values = states(200, 200)
    narrow = values[..., :5]
    ours = grouped_attention(queries, keys, narrow, None, SCALE)
    assert ours.shape == (3, 4, 200, 5)
    torch.testing.assert_close(ours, grouped_attention(queries, keys, values, None, SCALE)[..., :5])


@pytest.mark.parametrize("tokens", [1, 3, 150])
def test_a_mask_says_which_slots_a_query_sees(tokens):
    queries, keys, values = states(tokens, 200)
    mask = torch.rand(3, 1, tokens, 200) < 0.5
    ours = grouped_attention(queries, keys, values, mask, SCALE)
    theirs = F.scaled_dot_product_attention(
        queries, keys, values, mask, scale=SCALE, enable_gqa=True
    )
    torch.testing.assert_close(ours, theirs)


def test_a_query_that_sees_nothing_makes_no_nan():
    queries, keys, values = states(2, 5)
    mask = torch.zeros(3, 1, 2, 5, dtype=torch.bool)
    attended = grouped_attention(queries, keys, values, mask, SCALE)
    mean = values.mean(dim=2, keepdim=True).repeat_interleave(2, dim=1)
    torch.testing.assert_close(attended, mean.expand(-1, -1, 2, -1))


@pytest.mark.parametrize("padded", [False, True])
def test_a_model_says_the_same_with_either(padded):
    torch.manual_seed(0)
    model = tiny_model().eval()
    ids = torch.randint(50, (3, 140))
    mask = torch.ones_like(ids)
    if padded:
        mask[0, :20] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    theirs = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    model.set_attn_implementation(CPU_ATTENTION)
    ours = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    torch.testing.assert_close(ours[mask.bool()], theirs[mask.bool()])


def test_what_it_does_not_know_goes_to_the_fused_kernel():
    """Dropout is one such thing."""
    model = tiny_model(attention_dropout=0.5).train()
    model.set_attn_implementation(CPU_ATTENTION)
    ids = torch.randint(50, (2, 6))
    torch.manual_seed(1)
    ours = model(input_ids=ids).logits
    model.set_attn_implementation("sdpa")
    torch.manual_seed(1)
    torch.testing.assert_close(ours, model(input_ids=ids).logits)
    assert not torch.equal(ours, model.eval()(input_ids=ids).logits)


@pytest.mark.parametrize("grad", [True, False])
def test_long_sequences_keep_no_scores_for_the_backward_pass(grad, monkeypatch):
    asked = []
    monkeypatch.setattr(
        attention, "grouped_attention", lambda q, k, v, mask, scale: asked.append(q.shape) or q
    )
    model = tiny_model()
    model.set_attn_implementation(CPU_ATTENTION)
    with torch.set_grad_enabled(grad):
        for tokens in (2896, 2897):  # 4 heads x tokens^2 scores: just below 2^25, just above
            model.model(input_ids=torch.zeros(1, tokens, dtype=torch.long))
    assert [shape[2] for shape in asked] == 2 * [2896] + ([] if grad else 2 * [2897])  # two layers
