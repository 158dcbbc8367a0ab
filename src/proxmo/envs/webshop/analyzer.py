"""Text to index terms, as Lucene's English analyzer makes them.

Words by Unicode's rules (UAX 29), lower-cased, without possessive 's and stop words, stemmed.
Measured against WebShop's own index: see `tests/envs/webshop/test_search.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex

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


def stem(word: str) -> str:
    """Porter's stemmer with his own later changes, for a lower-cased word.

    M. F. Porter, An algorithm for suffix stripping, Program 14(3), 1980. The changes: words
    of one or two letters stay, "bli" becomes "ble", and "logi" becomes "log".
    """
    if len(word) < 3:
        return word
    word = _plural(word)
    word = _past(word)
    if word.endswith("y") and "v" in _shape(word[:-1]):
        word = word[:-1] + "i"
    for suffixes in (_STEP_2, _STEP_3):
        word = _replace(word, suffixes)
    word = _strip(word)
    return _final(word)


def _shape(word: str) -> str:
    """A letter c or v for each: consonant or vowel; y is a vowel after a consonant."""
    shape = []
    vowel = True  # so that a leading y is a consonant
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and not vowel)
        shape.append("v" if vowel else "c")
    return "".join(shape)


def _measure(word: str) -> int:
    """How many times consonants follow vowels: m in [C](VC)^m[V]."""
    return _shape(word).count("vc")


def _short(word: str) -> bool:
    """Whether the word ends consonant, vowel, consonant, the last not w, x or y."""
    return _shape(word)[-3:] == "cvc" and word[-1] not in "wxy"


def _doubled(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _shape(word)[-1] == "c"


def _plural(word: str) -> str:
    if word.endswith("sses") or word.endswith("ies"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and word[-2] != "s" else word


def _past(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    ending = "ed" if word.endswith("ed") else "ing" if word.endswith("ing") else ""
    if not ending or "v" not in _shape(word[: -len(ending)]):
        return word
    word = word[: -len(ending)]
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if _doubled(word):
        return word if word[-1] in "lsz" else word[:-1]
    return word + "e" if _measure(word) == 1 and _short(word) else word


_STEP_2 = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"),
    ("bli", "ble"), ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"),
    ("ization", "ize"), ("ation", "ate"), ("ator", "ate"), ("alism", "al"), ("iveness", "ive"),
    ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"), ("iviti", "ive"),
    ("biliti", "ble"), ("logi", "log"),
)  # fmt: skip
_STEP_3 = (
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"),
    ("ful", ""), ("ness", ""),
)  # fmt: skip
_STEP_4 = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize",
)  # fmt: skip
"""Of two endings that fit, the longer comes first."""


def _replace(word: str, suffixes: tuple[tuple[str, str], ...]) -> str:
    """Replace the first ending that fits, if something with m > 0 stands before it."""
    for suffix, replacement in suffixes:
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            return rest + replacement if _measure(rest) > 0 else word
    return word


def _strip(word: str) -> str:
    for suffix in _STEP_4:
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            if suffix == "ion" and not rest.endswith(("s", "t")):
                continue
            return rest if _measure(rest) > 1 else word
    return word


def _final(word: str) -> str:
    measure = _measure(word)
    if word.endswith("e") and (measure > 1 or (measure == 1 and not _short(word[:-1]))):
        word = word[:-1]
    return word[:-1] if measure > 1 and word[-1] == "l" and _doubled(word) else word
