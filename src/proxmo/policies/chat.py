"""Messages to tokens, turn by turn, by any tokenizer's chat template."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from proxmo.errors import InputError

# For models without a template of their own (base models).
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{{ message['role'] | capitalize }}: {{ message['content'] }}"
    "{{ eos_token if message['role'] == 'assistant' else '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)

_SAME_DAY = "{%- macro strftime_now(form) -%}01 Jan 2026{%- endmacro -%}"
"""Before a template that tells the day: with the true one, prompts would change overnight."""

_USER, _ASSISTANT, _NEXT = "first-user-text", "first-assistant-text", "second-user-text"

_OPENS = "<think>"
_FORMAT = {"<think>", "</think>"}
"""Words of the format of answers: prompts name them, whatever tokens they are."""

_DENSE = 16
"""Characters that a token of a real text has at most, on average; it is seldom more than 5."""
_SEAM = 64
"""Tokens by which the start of a text may differ from the same text read on."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a template puts around a message, and how many marks of turns that holds."""

    before: str
    after: str
    marks: int


class ChatFormat:
    """What a chat template puts around the messages of a dialogue.

    A growing conversation is tokenised piece by piece, each piece once, so that the tokens
    a policy sampled stay exactly as sampled. Rendering a dialogue of placeholders shows what
    stands before, between and after its messages. `options` are further variables of the
    template, such as `enable_thinking=False`.

    Only the template makes marks of turns: a message that holds "<|im_end|>" holds these ten
    characters. A turn ends with the tokenizer's end of sequence,
    with the special token by which the template closes it, or with one of `end_ids`, what the
    model's generation settings name, as far as the tokenizer has them for special.
    """

    def __init__(self, tokenizer: Any, end_ids: Iterable[int] = (), **options: Any) -> None:
        self.tokenizer = tokenizer
        plain = not tokenizer.chat_template
        template = PLAIN_TEMPLATE if plain else tokenizer.get_chat_template()
        if "strftime_now" in template:
            template = _SAME_DAY + template

        def render(*messages: tuple[str, str]) -> str:
            return tokenizer.apply_chat_template(
                [{"role": role, "content": content} for role, content in messages],
                chat_template=template,
                tokenize=False,
                add_generation_prompt=True,
                **options,
            )

        opening = render(("user", _USER))
        dialogue = render(("user", _USER), ("assistant", _ASSISTANT), ("user", _NEXT))
        try:
            before, after = opening.split(_USER)
            between, after_next = dialogue.split(_ASSISTANT)[1].split(_NEXT)
        except (ValueError, IndexError):
            raise InputError(
                f"the chat template of {tokenizer.name_or_path!r} does not keep messages as they "
                "are; use a model whose template renders user and assistant turns verbatim"
            ) from None
        if plain:
            before = self._beginning() + before
        self.opened = after[after.rfind(_OPENS) :] if _OPENS in after else ""
        """What the template says for the policy before each response: an open thought, or one
        that it closes itself; empty for most."""
        self._marks = self._marks_of(before + after + between + after_next)
        """Text and id of the tokens that nothing but the template makes."""
        self._mark_ids = frozenset(self._marks.values())
        self._first = self._frame(before, after)
        self._later = self._frame(between, after_next)
        self._longest = max(map(len, tokenizer.get_vocab()))
        """Characters of the longest token."""
        self.end_ids = self._end_ids(between, end_ids)
        # A sampled turn already ends with the token that `between` begins with.
        closing = self._ids(between)[:1]
        self._closing = closing[0] if closing and closing[0] in self.end_ids else None

    def opening(self, text: str) -> list[int]:
        """Tokens from the start of the dialogue up to where the first response begins."""
        return self._framed(self._first, text)

    def following(self, text: str, last: int | None) -> list[int]:
        """Tokens between one response and the next.

        `last` is the last token of the response before, if any was sampled: where that is not
        the template's end of a turn, as in a response cut for length, the turn is closed here.
        """
        ids = self._framed(self._later, text)
        return ids[1:] if last is not None and last == self._closing else ids

    def answer(self, text: str) -> list[int]:
        """Tokens of a response that says `text`, without its end."""
        return self._framed(_Frame("", "", 0), text)

    def exceeds(self, text: str, tokens: int) -> bool:
        """Whether `text` certainly takes more than `tokens` tokens.

        Looks at the start of a text that is much too long: all of it would take minutes.
        """
        if len(text) <= _DENSE * tokens:
            return False
        if len(text) > self._longest * tokens:
            return True
        return len(self._ids(text[: _DENSE * tokens])) > tokens + _SEAM

    def text(self, ids: Sequence[int]) -> str:
        """What was said in `ids`, without the tokens that end a turn."""
        said = [token for token in ids if token not in self.end_ids]
        return self.tokenizer.decode(said, skip_special_tokens=False)

    def _framed(self, frame: _Frame, text: str) -> list[int]:
        ids = self._ids(frame.before + text + frame.after)
        if self._marked(ids) == frame.marks:
            return ids
        first, *others = self._harmless(text)
        pieces = [frame.before + first, *others]
        pieces[-1] += frame.after
        return [token for piece in pieces for token in self._ids(piece)]

    def _harmless(self, text: str) -> list[str]:
        """`text` in pieces none of which holds a mark: each is cut after its first character."""
        marks = "|".join(map(re.escape, self._marks))
        # A look ahead, so that marks that overlap are all found.
        cuts = [found.start() + 1 for found in re.finditer(f"(?={marks})", text)]
        return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    def _frame(self, before: str, after: str) -> _Frame:
        return _Frame(before, after, self._marked(self._ids(before + _USER + after)))

    def _marked(self, ids: Sequence[int]) -> int:
        return sum(token in self._mark_ids for token in ids)

    def _marks_of(self, template: str) -> dict[str, int]:
        """Special tokens, and added ones that stand in the `template`'s own text."""
        added = self.tokenizer.added_tokens_decoder
        special = set(self.tokenizer.all_special_ids)
        marks = {
            str(token): i
            for i, token in added.items()
            if token.special or i in special or str(token) in template
        }
        return {text: i for text, i in marks.items() if text not in _FORMAT and len(text) > 1}

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _beginning(self) -> str:
        """What a base model's tokenizer puts before every text: its template cannot say."""
        first = self.tokenizer("")["input_ids"][:1]
        return self.tokenizer.bos_token if first == [self.tokenizer.bos_token_id] else ""

    def _end_ids(self, between: str, known: Iterable[int]) -> frozenset[int]:
        ends = {self.tokenizer.eos_token_id} - {None}
        # Beside the named ones, those that are only marked as special, as Gemma's end of a turn.
        marked = {i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        special = marked.union(self.tokenizer.all_special_ids)
        ends.update(special.intersection([*self._ids(between)[:1], *known]))
        if not ends:
            raise InputError(
                f"tokenizer {self.tokenizer.name_or_path!r} has no end-of-sequence token; set one"
            )
        return frozenset(ends)
