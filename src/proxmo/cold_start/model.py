"""The built-in small policy: a Llama of about four million weights and its own tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from proxmo.cold_start.induction import lay_induction

PAD, END, ACT = "<|pad|>", "<|end|>", "<|act|>"

_WORD_AND_NUMBER = re.compile(r"([a-z]+)(?: ([0-9]+))?")
_NUMBERED = re.compile(r"\b([a-z]+) [0-9]+\b")

# A mark such as " [SEP]", a word with the space before it, punctuation, or other space.
_WORD = r" ?\[[A-Z]+\]| ?\w+| ?[^\w\s]+|\s+"

# "observation<|act|>action<|end|>observation<|act|>…": a dialogue with nothing around it.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '" + END + "' }}"
    "{% elif not loop.last or add_generation_prompt %}{{ '" + ACT + "' }}{% endif %}"
    "{% endfor %}"
)


def train_tokenizer(
    texts: Sequence[str], vocabulary: int = 2048, *, numbered_things: bool = True
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer fitted to an environment's own texts.

    Byte-level, so that no text is unknown to it. Where texts are phrases about
    `numbered_things`, a thing and its number, "cabinet 12", is one token at best, and so is a
    phrase between things, ". In it, you see a": a small model then copies a name in one piece,
    and a dialogue is a third as long as in words. Other texts are split into words.
    """
    # Things are the words that numbers follow.
    names = {name for text in texts for name in _NUMBERED.findall(text)}
    split = _things(names) if numbered_things and names else _words()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = split  # type: ignore[assignment]
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


def _words() -> pre_tokenizers.PreTokenizer:
    """Splits a text into words."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _things(names: Iterable[str]) -> pre_tokenizers.PreTokenizer:
    """Splits a text around things: a name, with the number behind it."""
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
