"""Objects of WebShop's files: a value that is read is of its kind, or is named.

What is not read may be anything, as in WebShop's own loader.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from reprlib import Repr
from typing import Any

from proxmo.errors import InputError

_brief = Repr()
_brief.maxstring = _brief.maxother = 80
_brief.maxdict = _brief.maxlist = _brief.maxlevel = 3

_LONGEST = 200
"""Characters of a value that an error tells."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object of a JSON file, and where it stands there."""

    file: Path | str
    name: str
    """What it is in the file, such as "product 17"."""
    values: dict[str, Any]

    @classmethod
    def of(cls, file: Path | str, name: str, value: Any) -> Entry:
        """The entry that `value` is; raises `InputError` where it is no JSON object."""
        if not isinstance(value, dict):
            raise wrong(file, name, value, "a JSON object")
        return cls(file, name, value)

    def has(self, key: str) -> bool:
        """Whether there is anything under a key: null counts as nothing."""
        return self.values.get(key) is not None

    def value(self, key: str) -> Any:
        """What is under a key, of whatever kind; raises `InputError` where nothing is."""
        if key not in self.values:
            raise InputError(
                f"{self.file}: {self.name} has no {key!r}; is it the right file of WebShop? "
                "Complete it there, or get the file again"
            )
        return self.values[key]

    def text(self, key: str) -> str:
        """The text under a key; raises `InputError` where there is none."""
        value = self.value(key)
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value

    def texts(self, key: str) -> list[str]:
        """The list of texts under a key; raises `InputError` where there is none."""
        value = self.value(key)
        if not isinstance(value, list) or not are_texts(value):
            raise self.wrong(key, "a list of texts")
        return value

    def number(self, key: str) -> float:
        """The finite number under a key; raises `InputError` where there is none."""
        value = self.value(key)
        try:
            if isinstance(value, int | float) and not isinstance(value, bool):
                number = float(value)
                if math.isfinite(number):
                    return number
        except OverflowError:
            pass
        raise self.wrong(key, "a finite number")

    def wrong(self, key: str, wanted: str) -> InputError:
        """What to raise where the value of `key` is not what is `wanted`."""
        return wrong(self.file, f"{key!r} of {self.name}", self.values.get(key), wanted)


def entries(file: Path | str, name: str, value: Any) -> Iterator[Entry]:
    """The objects of the list that `value` is; `InputError` where it is none, or one is none."""
    if not isinstance(value, list):
        raise wrong(file, name, value, "a list")
    for number, each in enumerate(value):
        yield Entry.of(file, f"number {number} of {name}", each)


def are_texts(values: Iterable[Any]) -> bool:
    """Whether all of them are texts."""
    return all(isinstance(value, str) for value in values)


def wrong(file: Path | str, what: str, value: Any, wanted: str) -> InputError:
    """What to raise where something in a file is not what is `wanted`."""
    return InputError(
        f"{file}: {what} is {_brief.repr(value)[:_LONGEST]}, not {wanted}; mend it there, or get "
        "the file again"
    )
