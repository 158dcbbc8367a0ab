"""JSON files, gzipped or not, read whole or member by member.

Member by member the full catalog (over a million products, several gigabytes) never stands in
memory. `ijson` would do it, too, at 1.05, 1.11 and 2.14 times the time (three measurements on a
machine that had other work), but it reads a lone surrogate, which Python's own reader keeps, as
"?": titles would not be those of the reference.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from proxmo.errors import InputError

_CHUNK = 1 << 22
_LARGEST = 1 << 26
"""Characters of one member at most: a small archive can unpack to gigabytes of one text."""
_SPACE = re.compile(r"[ \t\r\n]*")


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The text of a file, unpacked if it is gzipped; what is wrong with it is an `InputError`."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no file with contents (a folder, a pipe or a device)")
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if packed
            else path.open(encoding="utf-8") as stream
        ):
            yield stream
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged or cut short ({error}); get it again") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}") from error


def read_json(path: Path) -> Any:
    """A whole JSON file, gzipped or not."""
    with _opened(path) as stream:
        try:
            return json.load(stream)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is not JSON or is cut short: {error}") from error


def members(path: Path, kind: str) -> Iterator[Any]:
    """The members of a JSON array (kind "[") or the (key, value) pairs of an object ("{")."""
    with _opened(path) as stream:
        reader = _Reader(stream, path)
        if reader.character() != kind:
            wanted = "an array" if kind == "[" else "an object"
            raise InputError(f"{path} does not hold {wanted} of JSON; is it the right file?")
        end = "]" if kind == "[" else "}"
        if reader.peek() == end:
            return reader.finish()
        while True:
            member = reader.value()
            if kind == "{":
                reader.expect(":")
                member = member, reader.value()
            yield member
            if reader.peek() == end:
                return reader.finish()
            reader.expect(",")


_LONGEST_MARK = len("-Infinity")
"""An error may lie so many characters before the end only because a word is not read whole."""


def _wrong_before(error: Exception, place: int) -> bool:
    """Whether JSON is wrong before `place`; a text without an end is found at its beginning."""
    return (
        isinstance(error, json.JSONDecodeError)
        and error.pos < place
        and not error.msg.startswith("Unterminated string")
    )


class _Reader:
    """JSON values from a stream of text, of which a part is in memory."""

    def __init__(self, stream: IO[str], path: Path):
        self._stream, self._path = stream, path
        self._text, self._at = "", 0
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next character that is not a space; at the end of the file an error."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                raise InputError(f"{self._path} is cut short; get it again")

    def character(self) -> str:
        found = self.peek()
        self._at += 1
        return found

    def expect(self, character: str) -> None:
        found = self.character()
        if found != character:
            raise InputError(f"{self._path} is not JSON: {found!r} where {character!r} belongs")

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
                # A number at the very end of what is read may go on.
                if end < len(self._text) or not self._more():
                    self._at = end
                    return value
            except (ValueError, RecursionError) as error:
                # What is wrong before the end stays wrong, however much more is read.
                if _wrong_before(error, len(self._text) - _LONGEST_MARK) or not self._more():
                    raise InputError(
                        f"{self._path} is not JSON or is cut short: {error}"
                    ) from error

    def finish(self) -> None:
        """Read past the last bracket; what else comes is an error, as is a damaged end."""
        self.character()
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                found = self._text[self._at]
                raise InputError(f"{self._path} is not JSON: {found!r} after its end")
            if not self._more():
                return

    def _more(self) -> bool:
        if len(self._text) - self._at > _LARGEST:
            raise InputError(
                f"{self._path} has a member of more than {_LARGEST >> 20} million characters; "
                "is it the right file?"
            )
        chunk = self._stream.read(_CHUNK)
        self._text, self._at = self._text[self._at :] + chunk, 0
        return bool(chunk)
