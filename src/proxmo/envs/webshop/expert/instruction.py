"""What an instruction asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_PRICE = re.compile(r"\W*(?:and )?price (?:lower|less) than \$?([\d,.]+\d) dollars.*$")
_OPTIONS = re.compile(r"^(.*) with ([a-z][a-z ]*: .*)$")
_NEXT_OPTION = re.compile(r", and (?=[a-z][a-z ]*: )")
_WORD = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?")
_FILLERS_TEXT = (
    "a an and any am are as at be buy by can choose find for from get have hello help i "
    "if im in is it its like list looking me my need of on or our pair please price "
    "products says set shop shopping show some that the them this to under want wants we "
    "which with would you your less than dollars lower also prefer item one s "
)
FILLERS = frozenset(_FILLERS_TEXT.split())
"""Words that say nothing of a product."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an instruction asks for."""

    text: str
    """Product and attributes, without options and price."""
    words: tuple[str, ...]
    """The words of `text` that say something."""
    options: tuple[tuple[str, str], ...]
    """(name, value), where the instruction names them so."""
    cap: float
    """Highest price; infinite if there is none."""


def parse_instruction(text: str) -> Wish:
    """Read an instruction: WebShop's synthetic ones exactly, a person's as a bag of words."""
    rest, cap = text.strip(), float("inf")
    if found := _PRICE.search(rest):
        rest, cap = rest[: found.start()], float(found[1].replace(",", ""))
    options: list[tuple[str, str]] = []
    if found := _OPTIONS.search(rest):
        rest = found[1]
        for pair in _NEXT_OPTION.split(found[2]):
            name, _, value = pair.partition(": ")
            options.append((name, value))
    words = tuple(dict.fromkeys(word for word in words_of(rest) if word not in FILLERS))
    return Wish(rest, words, tuple(options), cap)


@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """Lower-cased words, without the s of plurals and possessives."""
    plain = text.lower().replace("'s", "").replace("’s", "")
    return tuple(w[:-1] if len(w) > 3 and w.endswith("s") else w for w in _WORD.findall(plain))
