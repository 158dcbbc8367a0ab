"""A language model of two layers, for tests."""

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.policies.transformers import PromptSettings, TransformersPolicy
from proxmo.types import Context

TEXTS = [
    "You arrive at desk 1. On the desk 1, you see a mug 2, and a pen 1.",
    "go to desk 1",
    "Nothing happens.",
]


def tiny_tokenizer() -> Any:
    return train_tokenizer(TEXTS * 20, vocabulary=300)


def tiny_policy(context: Context, **settings: Any) -> TransformersPolicy:
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=2048,
        )
    ).eval()
    limits: dict[str, Any] = {"max_prompt_tokens": 256, "max_response_tokens": 6} | settings
    return TransformersPolicy(
        model, tokenizer, PromptSettings(context=context, style="compact", **limits)
    )
