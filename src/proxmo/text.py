"""Text from outside: one rule for what may enter, one for what a terminal may be shown."""

from __future__ import annotations

import re

_BROKEN = re.compile(r"[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Half a character, and control characters but tab, line feed and carriage return."""

_UNSEEN = re.compile(r"[\r\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What moves the cursor, or turns the direction of what is written after it."""


def clean(text: str) -> str:
    """`text` as it may enter: every broken character is U+FFFD, the replacement character.

    Lone surrogates cannot be encoded, so that neither a tokenizer nor a file takes them; control
    characters mean nothing to a model and something to a terminal.
    """
    return _BROKEN.sub("\ufffd", text)


def shown(text: str) -> str:
    """`text` as a terminal may be shown it: nothing in it acts, all of it is seen."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", clean(text))
