"""JSON files, gzipped or not, read member by member.

Member by member the full catalog (over a million products, several gigabytes) never stands in
memory. `ijson` would do it, too, at 1.05, 1.11 and 2.14 times the time (three measurements on a
machine that had other work), but it reads a lone surrogate, which Python's own reader keeps, as
"?": titles would not be those of the reference.

What a small archive can cost is bounded in three ways: by what one member may hold, since that
stands in memory; by how much the whole may grow when it is unpacked, and by how many members there
may be, since they take time. The length of a file that is not packed has no bound: reading it
takes time in proportion.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from proxmo.errors import InputError

_CHUNK = 1 << 22
_LARGEST = 1 << 23
"""Characters of one member at most. The longest of the official 1,000 products has 17 thousand;
so many, and a chunk, take some 300 MB at worst when they are parsed."""
_GROWTH = 50
"""Characters that a byte of a file may unpack to, past the first `_LARGEST`: of the official
files 3 to 8, of an archive that is made to take for ever up to 1,000."""
_MOST = 10_000_000
"""Members of one array or object at most: the full catalog has 1.18 million products."""
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


def members(path: Path, kind: str) -> Iterator[Any]:
    """The members of a JSON array (kind "[") or the (key, value) pairs of an object ("{")."""
    with _opened(path) as stream:
        reader = _Reader(stream, path)
        yield from reader.members(kind, "it")
        reader.finish()


def members_of(path: Path, kinds: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """(key, member) of the arrays and objects that a JSON object has under the keys of `kinds`.

    Its other values are passed over. A value that is absent or of another kind, "[" or "{", is an
    `InputError`.
    """
    absent = set(kinds)
    with _opened(path) as stream:
        reader = _Reader(stream, path)
        for key in reader.keys("it"):
            if key not in kinds:
                reader.value()
                continue
            absent.discard(key)
            for member in reader.members(kinds[key], f"its {key!r}"):
                yield key, member
        reader.finish()
    if absent:
        raise InputError(f"{path} has no {min(absent)!r}; is it the right file?")


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
        self._left = max(_LARGEST, _GROWTH * path.stat().st_size)
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
            raise InputError(
                f"{self._path} is not JSON: {found!r} where {character!r} belongs; get it again"
            )

    def keys(self, what: str) -> Iterator[str]:
        """The keys of an object; who takes one reads its value before the next."""
        for _ in self._places("{", "}", what):
            key = self.value()
            if not isinstance(key, str):
                raise InputError(
                    f"{self._path} is not JSON: a key is no text but a {type(key).__name__}; get "
                    "it again"
                )
            self.expect(":")
            yield key

    def members(self, kind: str, what: str) -> Iterator[Any]:
        """The members of an array ("[") or the (key, value) pairs of an object ("{")."""
        if kind == "{":
            for key in self.keys(what):
                yield key, self.value()
        else:
            for _ in self._places("[", "]", what):
                yield self.value()

    def _places(self, start: str, end: str, what: str) -> Iterator[None]:
        """Between the brackets, once for each member that is to be read."""
        if self.peek() != start:
            wanted = "an array" if start == "[" else "an object"
            raise InputError(
                f"{self._path}: {what} does not hold {wanted} of JSON; is it the right file?"
            )
        self.character()
        if self.peek() != end:
            yield
        for _ in range(_MOST):
            if self.peek() == end:
                self.character()
                return
            self.expect(",")
            yield
        raise InputError(
            f"{self._path}: {what} has more than {_MOST} members, as no file of WebShop does; is "
            "it the right file? Get it again"
        )

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
        """Read what is left: all but spaces is an error, as is a damaged end."""
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
                "is it the right file? Get it again"
            )
        chunk = self._stream.read(_CHUNK)
        self._left -= len(chunk)
        if self._left < 0:
            raise InputError(
                f"{self._path} unpacks to more than {_GROWTH} times its size, as no file of "
                "WebShop does; get it again, or unpack it yourself if it is what you mean"
            )
        self._text, self._at = self._text[self._at :] + chunk, 0
        return bool(chunk)
