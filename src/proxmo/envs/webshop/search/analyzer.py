"""Text to index terms, as Lucene's English analyzer makes them.

Words by Unicode's rules (UAX 29), lower-cased, without possessive 's and stop words, stemmed.
Measured against WebShop's own index: see `tests/envs/webshop/test_official.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex

from proxmo.envs.webshop.search.stemmer import stem

_STOP_WORDS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then "
    "there these they this to was will with"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Source: Lucene's EnglishAnalyzer."""

MAX_TOKEN = 255
"""Longer words are cut into pieces of this many characters (Lucene's StandardTokenizer)."""

# UAX 29, rules WB5 to WB13, for text of ASCII characters only: a point or an apostrophe joins
# letters as well as digits, a colon only letters, a comma or a semicolon only digits. The word
# is the group: low lines alone are passed over at once, not from each of them anew.
_ASCII_WORD = re.compile(
    r"(_*[A-Za-z0-9](?:[A-Za-z0-9_]"
    r"|(?<=[A-Za-z])[.':](?=[A-Za-z])|(?<=[0-9])[.',;](?=[0-9]))*)|_+"
)

_PICTOGRAPHS = (
    "A9 AE 203C 2049 2122 2139 2194-2199 21A9-21AA 231A-231B 2328 2388 23CF 23E9-23F3 "
    "23F8-23FA 24C2 25AA-25AB 25B6 25C0 25FB-25FE 2600-2605 2607-2612 2614-2685 2690-2705 "
    "2708-2712 2714 2716 271D 2721 2728 2733-2734 2744 2747 274C 274E 2753-2755 2757 "
    "2763-2767 2795-2797 27A1 27B0 27BF 2934-2935 2B05-2B07 2B1B-2B1C 2B50 2B55 3030 303D "
    "3297 3299 1F000-1F0FF 1F10D-1F10F 1F12F 1F16C-1F171 1F17E-1F17F 1F18E 1F191-1F19A "
    "1F1AD-1F1E5 1F201-1F20F 1F21A 1F22F 1F232-1F23A 1F23C-1F23F 1F249-1F3FA 1F400-1F53D "
    "1F546-1F64F 1F680-1F6FF 1F774-1F77F 1F7D5-1F7FF 1F80C-1F80F 1F848-1F84F 1F85A-1F85F "
    "1F888-1F88F 1F8AE-1F8FF 1F90C-1F93A 1F93C-1F945 1F947-1FAFF 1FC00-1FFFD"
)
"""Code points that Lucene takes for emoji: Extended_Pictographic of Unicode 12 (emoji-data.txt).

Later versions of Unicode took some of them out, so that `regex` cannot be asked.
"""


def _unicode_word() -> str:
    """The same rules for any text, in the notation of the package `regex`."""
    extend = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]*"
    letter = rf"[\p{{WB=ALetter}}\p{{WB=Hebrew_Letter}}]{extend}"
    digit = rf"\p{{WB=Numeric}}{extend}"
    kana = rf"\p{{WB=Katakana}}{extend}"
    joiner = rf"\p{{WB=ExtendNumLet}}{extend}"
    both = r"\p{WB=MidNumLet}\p{WB=Single_Quote}"
    letters = rf"{letter}(?:(?:[\p{{WB=MidLetter}}{both}]{extend})?{letter})*"
    digits = rf"{digit}(?:(?:[\p{{WB=MidNum}}{both}]{extend})?{digit})*"
    run = rf"(?:(?:{letters}|{digits})+|(?:{kana})+)"
    word = rf"(?:{joiner})*{run}(?:(?:{joiner})+{run})*(?:{joiner})*"
    # Lucene: each Han or Hiragana character is a word, so is each emoji sequence; a run of a
    # South-East Asian script is one word.
    single = rf"[\p{{Script=Han}}\p{{Script=Hiragana}}]{extend}"
    ranges = "".join(
        "-".join(f"\\U{int(end, 16):08X}" for end in span.split("-"))
        for span in _PICTOGRAPHS.split()
    )
    pictograph = rf"[{ranges}]{extend}(?:(?<=\u200D)[{ranges}]{extend})*"
    emoji = rf"\p{{Regional_Indicator}}{{2}}|[0-9#*]\uFE0F?\u20E3|{pictograph}"
    return rf"({emoji}|{word}|{single}|\p{{Line_Break=SA}}+)|(?:{joiner})+"


_WORD = regex.compile(_unicode_word(), regex.V1)
_POSSESSIVE = re.compile("['\u2019\uff07][sS]$")


def analyze(text: str) -> list[str]:
    """The index terms of a text, in order, with repetitions."""
    # No word goes across a space, and most of what stands between spaces was seen before.
    return [
        term
        for piece in text.split()
        for term in (_kept(piece) if len(piece) <= _LONGEST_KEPT else _terms(piece))
    ]


def _terms(piece: str) -> tuple[str, ...]:
    """The terms of a text without spaces."""
    words = _ASCII_WORD.findall(piece) if piece.isascii() else _WORD.findall(piece)
    terms = []
    for word in words:
        for start in range(0, len(word), MAX_TOKEN):
            term = _POSSESSIVE.sub("", word[start : start + MAX_TOKEN]).lower()
            if term and term not in STOP_WORDS:
                terms.append(stem(term))
    return tuple(terms)


_LONGEST_KEPT = 40
_kept = lru_cache(maxsize=1 << 18)(_terms)
