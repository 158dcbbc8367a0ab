"""A server's answers, kept as they come: what was paid for is not asked for twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from proxmo.errors import InputError
from proxmo.files import write_text
from proxmo.policies.base import Response, Stop, Usage
from proxmo.text import clean


class Journal:
    """Answers by what was asked, in a file of one JSON object a line.

    An answer is on record as soon as `keep` returns, and found again by a later process. A line
    that a killed one left unfinished is dropped.
    """

    def __init__(self, path: Path) -> None:
        """Reads what is there; the file is made with the first answer."""
        self.path = path
        self._answers: dict[str, Response] = {}
        if path.exists():
            self._answers = _read(path)

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, asked: Mapping[str, Any]) -> Response | None:
        """The answer to what is asked now, if it is on record."""
        return self._answers.get(_name(asked))

    def keep(self, asked: Mapping[str, Any], response: Response) -> None:
        """Put an answer on record."""
        line = {
            "asked": _name(asked),
            "text": response.text,
            "stop": response.stop,
            "usage": asdict(response.usage or Usage()),
        }
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        self._answers[line["asked"]] = response

    def remove(self) -> None:
        """Delete the file: what it was kept for is done."""
        self.path.unlink(missing_ok=True)


def _name(asked: Mapping[str, Any]) -> str:
    text = json.dumps(asked, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _read(path: Path) -> dict[str, Response]:
    """The answers in a file, by what was asked.

    Raises:
        InputError: naming the line that holds none.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    whole, end, torn = text.rpartition("\n")
    if torn:  # a process was killed while it wrote
        write_text(path, whole + end)
    answers = {}
    for number, line in enumerate(whole.split("\n") if whole else (), start=1):
        try:
            name, response = _answer(json.loads(line))
        except (ValueError, LookupError, TypeError, RecursionError):
            raise InputError(
                f"line {number} of {path} is no answer on record; delete the line, and its "
                "question is asked again, or move the file away to begin anew"
            ) from None
        answers[name] = response
    return answers


def _answer(line: Any) -> tuple[str, Response]:
    """What was asked, and the answer, of a line; raises what a line that is none gives rise to."""
    name, text, stop, usage = line["asked"], line["text"], line["stop"], Usage(**line["usage"])
    counts = asdict(usage).values()
    known = isinstance(name, str) and isinstance(text, str) and stop in get_args(Stop)
    if not known or not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError
    return name, Response(clean(text), stop=stop, usage=usage)
