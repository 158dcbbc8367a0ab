"""WebShop's files: products, instructions and goals as the official JSON has them.

Arrays and objects are read member by member, so that the full catalog (over a million
products, several gigabytes) never stands in memory.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any

from proxmo.errors import InputError

_CHUNK = 1 << 22
_SPACE = re.compile(r"[ \t\r\n]*")
_NO_PRICE = 100.0
NO_ATTRIBUTE = "DUMMY_ATTR"
"""Attribute of a product for which the instruction file has none (WebShop's own word)."""

Options = dict[str, list[str]]
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Product:
    """A product as its pages show it and the reward reads it."""

    asin: str
    """Its identifier: at most ten characters."""
    title: str
    description: str
    features: list[str]
    """The bullet points; their first is part of the text that search reads."""
    price_tag: str
    """As shown: "$12.0" or "$10.0 to $14.0"."""
    category: str
    """Department: beauty, electronics, fashion, garden or grocery in the official data."""
    query: str
    """The search that found the product when the data was collected, lower-cased."""
    product_category: str
    """Path of categories, joined by " › "."""
    options: Options
    """Option name -> its values, lower-cased."""
    attributes: list[str]


def read_products(path: Path) -> Iterator[Entry]:
    """The products of an `items_shuffle*.json` file, in order."""
    for number, entry in enumerate(_members(path, "[")):
        if not isinstance(entry, dict):
            raise InputError(f"{path}: product {number} is not a JSON object")
        yield entry


def read_by_product(path: Path) -> Iterator[tuple[str, Any]]:
    """(asin, entry) of an instruction file: `items_ins_v2*.json` or `items_human_ins.json`."""
    yield from _members(path, "{")


def parse_product(entry: Entry, attributes: list[str]) -> tuple[Product, list[float]]:
    """A product and its prices (one, or the two that a sale price is drawn between).

    Raises `InputError` naming the product and the field that is missing or of a wrong kind.
    """
    asin = _text(entry, "asin")
    prices, tag = _prices(entry)
    features = entry.get("small_description") or []
    if isinstance(features, str):
        features = [features]
    if not isinstance(features, list) or not all(isinstance(each, str) for each in features):
        raise InputError(f"product {asin!r}: 'small_description' is not a list of texts")
    product = Product(
        asin=asin,
        title=_text(entry, "name"),
        description=_text(entry, "full_description"),
        features=features,
        price_tag=tag,
        category=_text(entry, "category"),
        query=_text(entry, "query").lower().strip(),
        product_category=_text(entry, "product_category"),
        options=_options(asin, entry.get("customization_options")),
        attributes=attributes,
    )
    return product, prices


def texts(value: Any, what: str) -> list[str]:
    """`value` if it is a list of texts, else an `InputError` that says what it should be."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{what} must be a list of texts, got {json.dumps(value)[:80]}")
    return value


def _text(entry: Entry, key: str) -> str:
    value = entry.get(key)
    if isinstance(value, str):
        return value
    if key == "full_description" and value is None:
        return ""
    name = entry.get("asin", "without asin")
    problem = "has no" if key not in entry else "has no text as"
    raise InputError(f"product {name!r} {problem} {key!r}; is this WebShop's items_shuffle file?")


def _prices(entry: Entry) -> tuple[list[float], str]:
    pricing = entry.get("pricing")
    if not pricing:
        return [_NO_PRICE], f"${_NO_PRICE}"
    try:
        found = [float(Decimal(re.sub(r"[^\d.]", "", amount))) for amount in pricing.split("$")[1:]]
        if not all(map(math.isfinite, found)):
            raise OverflowError
        if len(found) == 1:
            return found, f"${found[0]}"
        return found[:2], f"${found[0]} to ${found[1]}"
    except (InvalidOperation, IndexError, AttributeError, OverflowError):
        raise InputError(
            f"product {entry.get('asin')!r}: 'pricing' is {pricing!r}, not like '$9.99' or "
            "'$9.99$12.99'"
        ) from None


def _options(asin: str, customization: Any) -> Options:
    if not customization:
        return {}
    try:
        return {
            name.lower(): [each["value"].strip().replace("/", " | ").lower() for each in values]
            for name, values in customization.items()
            if values is not None
        }
    except (AttributeError, KeyError, TypeError):
        raise InputError(
            f"product {asin!r}: 'customization_options' is not of the form "
            '{"color": [{"value": "red", "image": null}]}'
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The text of a file, unpacked if it is gzipped; what is wrong with it is an `InputError`."""
    try:
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


def _members(path: Path, kind: str) -> Iterator[Any]:
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
        chunk = self._stream.read(_CHUNK)
        self._text, self._at = self._text[self._at :] + chunk, 0
        return bool(chunk)
