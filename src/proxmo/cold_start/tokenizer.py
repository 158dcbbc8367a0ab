"""A tokenizer fitted to an environment's own texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, END, ACT = "<|pad|>", "<|end|>", "<|act|>"

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
