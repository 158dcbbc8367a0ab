"""The nouns of titles, found once and kept with their catalog."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path

from proxmo.envs.webshop.catalog.tagger import Tagger, default_tagger

_log = logging.getLogger(__name__)


def _digest(title: object, nouns: object) -> str:
    """What tells a line that is as it was written: other nouns would be another reward."""
    return hashlib.blake2b(json.dumps([title, nouns]).encode(), digest_size=6).hexdigest()


class TitleNouns:
    """The nouns of titles, each found once and kept in a file of the catalog's folder."""

    def __init__(self, folder: Path, tagger: Tagger | None = None):
        self._folder, self._tagger = folder, tagger
        self._known: dict[str, list[str]] | None = None

    @property
    def tagger(self) -> Tagger:
        """What finds the nouns; loaded when it is first needed."""
        if self._tagger is None:
            self._tagger = default_tagger()
        return self._tagger

    @property
    def _path(self) -> Path:
        return self._folder / f"nouns-{self.tagger.name}.jsonl"

    def __call__(self, title: str) -> list[str]:
        """The nouns of `title`, lower-cased, in order, with repetitions."""
        if self._known is None:
            self._known = self._read()
        nouns = self._known.get(title)
        if nouns is None:
            nouns = self._known[title] = self.tagger.nouns(title)
            self._keep(title, nouns)
        return nouns

    def _read(self) -> dict[str, list[str]]:
        known = {}
        if self._path.is_file():
            for line in self._path.read_bytes().splitlines():
                try:
                    title, nouns, digest = json.loads(line)
                except (ValueError, TypeError, RecursionError):  # cut short by a kill, or damaged
                    continue
                if digest == _digest(title, nouns):
                    known[title] = nouns
        return known

    def _keep(self, title: str, nouns: list[str]) -> None:
        """Append a line, in one write, so that processes can share the file."""
        line = json.dumps([title, nouns, _digest(title, nouns)]).encode() + b"\n"
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)
        except OSError as error:  # a folder that cannot be written: found again next time
            _log.debug("cannot keep nouns in %s: %s", self._path, error)
