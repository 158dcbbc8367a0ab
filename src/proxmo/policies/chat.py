"""Messages to tokens, turn by turn, by any tokenizer's chat template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


class ChatFormat:
    """What a chat template puts around the messages of a dialogue.

    A growing conversation is tokenised piece by piece, each piece once, so that the tokens
    a policy sampled stay exactly as sampled. Rendering a dialogue of placeholders shows what
    stands before, between and after its messages. `options` are further variables of the
    template, such as `enable_thinking=False`. A turn ends with the tokenizer's end of sequence,
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
            self._before, self._after = opening.split(_USER)
            between, after_next = dialogue.split(_ASSISTANT)[1].split(_NEXT)
        except (ValueError, IndexError):
            raise InputError(
                f"the chat template of {tokenizer.name_or_path!r} does not keep messages as they "
                "are; use a model whose template renders user and assistant turns verbatim"
            ) from None
        if plain:
            self._before = self._beginning() + self._before
        self._after_next = after_next
        self.end_ids = self._end_ids(between, end_ids)
        # A sampled turn already ends with the token that `between` begins with.
        closing = self._ids(between)[:1]
        self._closing = closing[0] if closing and closing[0] in self.end_ids else None
        self._between = between

    def opening(self, text: str) -> list[int]:
        """Tokens from the start of the dialogue up to where the first response begins."""
        return self._ids(self._before + text + self._after)

    def following(self, text: str, last: int | None) -> list[int]:
        """Tokens between one response and the next.

        `last` is the last token of the response before, if any was sampled: where that is not
        the template's end of a turn, as in a response cut for length, the turn is closed here.
        """
        ids = self._ids(self._between + text + self._after_next)
        return ids[1:] if last is not None and last == self._closing else ids

    def text(self, ids: Sequence[int]) -> str:
        """What was said in `ids`, without the tokens that end a turn."""
        said = [token for token in ids if token not in self.end_ids]
        return self.tokenizer.decode(said, skip_special_tokens=False)

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
