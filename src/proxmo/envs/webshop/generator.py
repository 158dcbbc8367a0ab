"""A seeded stream of products and instructions, in the fields of WebShop's own files.

A product is made from its type (`products.toml`): brand, words and nouns make the title; its
attributes are told in the title, the bullet points or the description, or nowhere but in its
list, about as often as in the official 1,000 products; options, prices and lengths are drawn
to be spread as they are there (docs/webshop_generator.md compares them). Every sentence is
proxmo's own.

The stream of a seed is one sequence of random numbers: how many products are taken of it
changes none of them.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

from proxmo.envs.webshop.assortment import (
    Attribute,
    OptionRow,
    ProductType,
    assortment,
    tables_text,
)
from proxmo.errors import InputError

T = TypeVar("T")
Draw = Callable[[], float]
"""Uniform in [0, 1)."""

INSTRUCTED = 0.415
"""Share of products with an instruction (official small set: 415 of 1,000)."""
WANTED = ((2, 0.43), (3, 0.70), (4, 0.87), (5, 0.91), (6, 0.95), (7, 0.98), (8, 1.0))
"""Number of attributes that an instruction names, cumulative (official small set)."""
LISTED = ((0, 0.32), (1, 0.64), (2, 0.88), (3, 1.0))
"""Number of attributes of a product without instruction, cumulative (official small set)."""
EXTRA = ((0, 0.68), (1, 0.90), (2, 1.0))
"""Attributes of a product that its instruction does not name, cumulative."""
PLACES = (
    ("", 0.24),
    ("b", 0.59),
    ("t", 0.72),
    ("tb", 0.81),
    ("bd", 0.89),
    ("tbd", 0.95),
    ("td", 0.99),
    ("d", 1.0),
)
"""Where an attribute is told, cumulative: title, bullet points, description (official)."""
BULLETS = ((1, 0.10), (2, 0.12), (3, 0.17), (4, 0.26), (5, 0.83), (6, 0.89), (7, 1.0))
"""Number of bullet points, cumulative (official small set)."""
TITLE_LENGTHS = (20, 50, 62, 72, 86, 102, 117, 132, 147, 161, 177, 195)
"""Quantiles of the length of a title in characters, evenly spaced (official small set)."""
NO_DESCRIPTION = 0.28
"""Share of products without a description (official small set)."""
NO_PRICE = 0.085
"""Share of products without a price (official small set)."""
TWO_PRICES = 0.092
"""Share of products with a lowest and a highest price (official small set)."""
ENDINGS = (0.99, 0.99, 0.99, 0.99, 0.95, 0.0, 0.49, 0.89, 0.98, 0.97, 0.5, 0.72)
"""Cents that prices end with."""
CODED, COMPOUND = 0.12, 0.08
"""Shares of colour lists with a seller's code before each, and of colours that are two."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS = [a + b for a in _DIGITS for b in _DIGITS]
_NUMBERS = len(_PAIRS) ** 4
_STRIDE = 1_732_050_807_569
"""Coprime to 36: multiples of it run through all identifiers before one repeats."""

_OPENINGS = (
    "I am looking for {what}",
    "Please find {what}",
    "Shop for {what}",
    "I would like to buy {what}",
    "Get me {what}",
    "I want {what}",
    "Help me choose {what}",
    "My shopping list says {what}",
)


def generate(
    seed: int, num_products: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """The first `num_products` products of a stream, each with its instruction entry.

    A product has the fields of `items_shuffle.json`, an entry those of `items_ins_v2.json`
    ("instruction" only where there is one; the entry is None for a product that has no
    attribute). The same seed gives the same stream everywhere.
    """
    if num_products < 0:
        raise InputError(f"num_products must be >= 0, got {num_products}")
    # A text is hashed with SHA-512: the same numbers on every machine and Python.
    draw = Random(f"webshop/{seed}").random
    first = int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=6).digest(), "big")
    table = assortment()
    for number in range(num_products):
        kind = table.types[bisect(table.cumulative, draw())]
        yield _make(draw, kind, table.brands, _identifier(first + number))


def fingerprint() -> str:
    """Changes whenever the generator would make other products: code and tables."""
    from pathlib import Path

    text = Path(__file__).read_text(encoding="utf-8") + tables_text()
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _make(
    draw: Draw, kind: ProductType, brands: Sequence[str], asin: str
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    instructed = draw() < INSTRUCTED
    wanted = _number(draw, WANTED) if instructed else 0
    count = wanted + _number(draw, EXTRA if instructed else LISTED)
    attributes = _some(draw, kind.attributes, count)
    told = [(attribute, _number(draw, PLACES)) for attribute in attributes]
    noun, word = _one(draw, kind.nouns), _one(draw, kind.words)
    extra = _one(draw, kind.extras)
    slots = {"noun": noun.lower(), "word": word.lower(), "extra": extra.lower()}
    product = {
        "name": _title(draw, kind, _one(draw, brands), noun, word, extra, told),
        "full_description": _description(draw, kind, told, slots),
        "pricing": _price(draw, kind),
        "images": [f"{asin}-{view}.jpg" for view in range(1, 2 + int(draw() * 6))],
        "product_category": kind.path,
        "average_rating": "",
        "small_description": _bullets(draw, kind, told, slots),
        "customization_options": _options(draw, kind.options) or "",
        "asin": asin,
        "category": kind.department,
        "query": kind.query,
        "page": 1 + int(draw() * 400),
    }
    if not attributes:
        return product, None
    entry: dict[str, Any] = {"attributes": [attribute.text for attribute in attributes]}
    if instructed:
        named = attributes[:wanted]
        entry["instruction"] = _instruction(draw, kind.query, named)
        entry["instruction_attributes"] = [attribute.text for attribute in named]
    return product, entry


def _identifier(number: int) -> str:
    """Ten characters such as B0K3X9Q2ZR; different for different numbers below 36^8."""
    rest = number * _STRIDE % _NUMBERS
    rest, d = divmod(rest, 1296)
    rest, c = divmod(rest, 1296)
    a, b = divmod(rest, 1296)
    return f"B0{_PAIRS[a]}{_PAIRS[b]}{_PAIRS[c]}{_PAIRS[d]}"


def _one(draw: Draw, values: Sequence[T]) -> T:
    return values[int(draw() * len(values))]


def _some(draw: Draw, values: Sequence[T], count: int) -> list[T]:
    """`count` different values (all of them if there are not so many), in random order."""
    rest = list(values)
    count = min(count, len(rest))
    for place in range(count):
        other = place + int(draw() * (len(rest) - place))
        rest[place], rest[other] = rest[other], rest[place]
    return rest[:count]


def _number(draw: Draw, cumulative: Sequence[tuple[T, float]]) -> T:
    chance = draw()
    for value, share in cumulative:
        if chance < share:
            return value
    return cumulative[-1][0]


def _title(
    draw: Draw,
    kind: ProductType,
    brand: str,
    noun: str,
    word: str,
    extra: str,
    told: list[tuple[Attribute, str]],
) -> str:
    """Brand, words and noun, then what sellers add until the title is as long as theirs."""
    place = draw() * (len(TITLE_LENGTHS) - 1)
    step = int(place)
    low, high = TITLE_LENGTHS[step : step + 2]
    length = low + (place - step) * (high - low)
    brand = brand.upper() if draw() < 0.35 else brand
    # A real title has its noun somewhere among the adjectives, and synonyms of it after commas.
    head = " ".join(filter(None, (brand, kind.audience, word, noun)))
    title = [head]
    size = len(head)
    parts = [
        f"{'with ' * (attribute.kind == 'with')}{'for ' * (attribute.kind == 'for')}"
        f"{attribute.text.title()}"
        for attribute, places in told
        if "t" in places
    ]
    needed = len(parts)
    if size < length:
        last = noun.rsplit(" ", 1)[-1]
        fillers = [extra, *(f"{other} {last}" for other in kind.words if other != word)]
        fillers += [other for other in kind.extras if other != extra]
        parts += _some(draw, fillers, len(fillers))
    for part in parts:
        if size >= length and len(title) > needed:
            break
        title.append(part)
        size += len(part) + 2
    return ", ".join(title)


def _bullets(
    draw: Draw, kind: ProductType, told: list[tuple[Attribute, str]], slots: dict[str, str]
) -> list[str]:
    count = _number(draw, BULLETS)
    lines = [_one(draw, attribute.bullets) for attribute, places in told if "b" in places]
    lines += _some(draw, kind.bullets, count - len(lines)) if count > len(lines) else []
    return [line.format_map(slots) for line in _some(draw, lines, len(lines))]


def _description(
    draw: Draw, kind: ProductType, told: list[tuple[Attribute, str]], slots: dict[str, str]
) -> str:
    lines = [_one(draw, attribute.sentences) for attribute, places in told if "d" in places]
    if draw() >= NO_DESCRIPTION or lines:
        lines += _some(draw, kind.sentences, 1 + int(draw() * 1.3 * len(kind.sentences)))
    return " ".join([line.format_map(slots) for line in lines])


def _price(draw: Draw, kind: ProductType) -> str:
    """ "$19.99", "$19.99$27.99", or nothing; log-normal around the type's median."""
    chance = draw()
    # Box and Muller's transform; 1 - u is never 0.
    normal = math.sqrt(-2.0 * math.log(1.0 - draw())) * math.cos(2.0 * math.pi * draw())
    price = max(1, int(kind.median * math.exp(kind.sigma * normal))) + _one(draw, ENDINGS)
    if chance < NO_PRICE:
        return ""
    if chance < NO_PRICE + TWO_PRICES:
        return f"${price:.2f}${price + 1 + int(draw() * 0.6 * price):.2f}"
    return f"${price:.2f}"


def _options(draw: Draw, rows: Sequence[OptionRow]) -> dict[str, list[dict[str, Any]]]:
    """Name -> values in the official shape; a value has an image where it is a colour."""
    options: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if draw() < row.share:
            # Exponential numbers: most products have a few values, some have dozens.
            count = 2 + int(-3.2 * math.log(1.0 - draw()))
            if row.ordered:
                count = min(count, len(row.values))
                start = int(draw() * (len(row.values) - count + 1))
                values = row.values[start : start + count]
            else:
                values = _some(draw, row.values, count)
            if row.name == "Color":
                values = _seller_colors(draw, values)
            options[row.name] = [{"value": value, "image": None} for value in values]
    return options


def _seller_colors(draw: Draw, colors: Sequence[str]) -> list[str]:
    """Colours as sellers write them: "A-Black", "Black/White"."""
    prefix = f"{_one(draw, _DIGITS)}-" if draw() < CODED else ""
    named = []
    for place, color in enumerate(colors):
        other = colors[place - 1]
        second = f"/{other}" if len(colors) > 2 and draw() < COMPOUND else ""
        named.append(f"{prefix}{color}{second}")
    return named


def _instruction(draw: Draw, query: str, attributes: Sequence[Attribute]) -> str:
    """A sentence that names the query and all attributes; options and price are added later."""
    by_kind = {
        kind: [attribute.text for attribute in attributes if attribute.kind == kind]
        for kind in ("is", "with", "for")
    }
    what = " ".join(filter(None, [", ".join(by_kind["is"]), query]))
    if by_kind["with"]:
        what += f" with {' and '.join(by_kind['with'])}"
    if by_kind["for"]:
        what += f" for {' and '.join(by_kind['for'])}"
    return _one(draw, _OPENINGS).replace("{what}", what)
