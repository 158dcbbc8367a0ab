"""The built-in small policy's model: a Llama of about four million weights."""

from __future__ import annotations

import re

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from proxmo.cold_start.induction import lay_induction
from proxmo.cold_start.tokenizer import END, PAD

_WORD_AND_NUMBER = re.compile(r"([a-z]+)(?: ([0-9]+))?")


def make_model(
    tokenizer: PreTrainedTokenizerFast, seed: int, *, induction: bool = False
) -> LlamaForCausalLM:
    """A fresh model; the same seed gives the same weights.

    With `induction` it begins by copying phrases, which pays where texts are words. Where a thing
    is one token, there are few phrases to go on with.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=256,
                intermediate_size=896,
                num_hidden_layers=4,
                num_attention_heads=4,
                num_key_value_heads=1,
                max_position_embeddings=4096,
                tie_word_embeddings=True,
                pad_token_id=tokenizer.convert_tokens_to_ids(PAD),  # type: ignore[arg-type]
                bos_token_id=None,
                eos_token_id=tokenizer.convert_tokens_to_ids(END),  # type: ignore[arg-type]
            )
        )
        _relate(model.get_input_embeddings().weight, tokenizer)  # type: ignore[arg-type]
        if induction:
            lay_induction(model)
        return model


@torch.no_grad()
def _relate(embedding: torch.Tensor, tokenizer: PreTrainedTokenizerFast) -> None:
    """Let tokens of one word begin alike: " cabinet 12" like " cabinet 3", and like "Cabinet".

    Each row becomes a sum of what the word's tokens share, what the number's tokens share and
    what it was, as large as before. To find what an instruction asks for in what is seen is
    then the same lesson for every word, instead of one to be learnt for each pair of tokens.
    """
    shared: dict[str, torch.Tensor] = {}

    def part(key: str) -> torch.Tensor:
        return shared.setdefault(key, torch.randn(embedding.shape[1]) * embedding.std())

    for token, row in enumerate(embedding):
        text = str(tokenizer.decode([token]))
        found = _WORD_AND_NUMBER.fullmatch(text.strip().lower())
        if found is None:
            continue
        word, number = found.groups()
        if number is None:
            row.copy_(0.9 * part(word) + 0.436 * row)
        else:
            row.copy_(0.75 * part(word) + 0.5 * part(number) + 0.433 * row)
