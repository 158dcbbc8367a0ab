"""The built-in small policy: a Llama of about four million weights and its own tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

PAD, END, ACT = "<|pad|>", "<|end|>", "<|act|>"

_NUMBERED = re.compile(r"\b([a-z]+) [0-9]+\b")

# "observation<|act|>action<|end|>observation<|act|>…": a dialogue with nothing around it.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '" + END + "' }}"
    "{% elif not loop.last or add_generation_prompt %}{{ '" + ACT + "' }}{% endif %}"
    "{% endfor %}"
)


def train_tokenizer(texts: Sequence[str], vocabulary: int = 2048) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer fitted to an environment's own texts.

    Byte-level, so that no text is unknown to it. A thing and its number, "cabinet 12", is
    one token at best, and so is a phrase between things, ". In it, you see a": a small model
    then copies a name in one piece, and a dialogue is a third as long as in words.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _pre_tokenizer(texts)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END, ACT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[ACT],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def _pre_tokenizer(texts: Iterable[str]) -> pre_tokenizers.PreTokenizer:
    """Splits a text around the names of things, which are the words that numbers follow."""
    names = {name for text in texts for name in _NUMBERED.findall(text)}
    if not names:
        # Into words and single digits: an article's number such as B0N1C5U30D, of which every
        # task has others, is then copied alike whether it was in the texts or not.
        return pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
    # Longer names first: the first alternative that fits is taken.
    either = "|".join(
        re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name))
    )
    thing = Regex(rf" ?\b(?:{either})\b(?: [0-9]+)?")
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(thing, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def make_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A fresh model; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(
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
