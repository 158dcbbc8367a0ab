"""A server's answers, kept as they come: what was paid for is not asked for twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proxmo.errors import InputError
from proxmo.files import write_text
from proxmo.policies.base import Response, Usage


class Journal:
    """Answers by what was asked, in a file of one JSON object a line.

    An answer is on record as soon as `keep` returns, and found again by a later process. A line
    that a killed one left unfinished is dropped.
    """

    def __init__(self, path: Path) -> None:
        """Reads what is there; the file is made with the first answer."""
        self.path = path
        self._answers: dict[str, dict[str, Any]] = {}
        if path.exists():
            self._answers = _read(path)

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, asked: Mapping[str, Any]) -> Response | None:
        """The answer to what is asked now, if it is on record."""
        found = self._answers.get(_name(asked))
        if found is None:
            return None
        return Response(found["text"], stop=found["stop"], usage=Usage(**found["usage"]))

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
        self._answers[line["asked"]] = line

    def remove(self) -> None:
        """Delete the file: what it was kept for is done."""
        self.path.unlink(missing_ok=True)


def _name(asked: Mapping[str, Any]) -> str:
    text = json.dumps(asked, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _read(path: Path) -> dict[str, dict[str, Any]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    whole, end, torn = text.rpartition("\n")
    if torn:  # a process was killed while it wrote
        write_text(path, whole + end)
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
        return {line["asked"]: line for line in lines}
    except (ValueError, LookupError, TypeError):
        raise InputError(f"{path} is no record of answers; move it away to begin anew") from None
