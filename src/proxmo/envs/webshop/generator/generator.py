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
from bisect import bisect
from collections.abc import Iterator, Sequence
from importlib import resources
from random import Random
from typing import Any

from proxmo.envs.webshop.generator import wording
from proxmo.envs.webshop.generator.assortment import ProductType, assortment
from proxmo.envs.webshop.generator.draws import Draw, number, one, some
from proxmo.envs.webshop.generator.offers import options_of, price_tag
from proxmo.errors import InputError

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
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS = [a + b for a in _DIGITS for b in _DIGITS]
_NUMBERS = len(_PAIRS) ** 4
_STRIDE = 1_732_050_807_569
"""Coprime to 36: multiples of it run through all identifiers before one repeats."""


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
    for place in range(num_products):
        kind = table.types[bisect(table.cumulative, draw())]
        yield _make(draw, kind, table.brands, _identifier(first + place))


def fingerprint() -> str:
    """Changes whenever the generator would make other products: code and tables."""
    told = hashlib.blake2b(digest_size=8)
    folder = resources.files("proxmo.envs.webshop.generator")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith((".py", ".toml")):
            told.update(file.read_bytes())
    return told.hexdigest()


def _make(
    draw: Draw, kind: ProductType, brands: Sequence[str], asin: str
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    instructed = draw() < INSTRUCTED
    wanted = number(draw, WANTED) if instructed else 0
    count = wanted + number(draw, EXTRA if instructed else LISTED)
    attributes = some(draw, kind.attributes, count)
    told = [(attribute, number(draw, PLACES)) for attribute in attributes]
    noun, word = one(draw, kind.nouns), one(draw, kind.words)
    extra = one(draw, kind.extras)
    slots = {"noun": noun.lower(), "word": word.lower(), "extra": extra.lower()}
    product = {
        "name": wording.title(draw, kind, one(draw, brands), noun, word, extra, told),
        "full_description": wording.description(draw, kind, told, slots),
        "pricing": price_tag(draw, kind),
        "images": [f"{asin}-{view}.jpg" for view in range(1, 2 + int(draw() * 6))],
        "product_category": kind.path,
        "average_rating": "",
        "small_description": wording.bullets(draw, kind, told, slots),
        "customization_options": options_of(draw, kind.options) or "",
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
        entry["instruction"] = wording.instruction(draw, kind.query, named)
        entry["instruction_attributes"] = [attribute.text for attribute in named]
    return product, entry


def _identifier(number: int) -> str:
    """Ten characters such as B0K3X9Q2ZR; different for different numbers below 36^8."""
    rest = number * _STRIDE % _NUMBERS
    rest, d = divmod(rest, 1296)
    rest, c = divmod(rest, 1296)
    a, b = divmod(rest, 1296)
    return f"B0{_PAIRS[a]}{_PAIRS[b]}{_PAIRS[c]}{_PAIRS[d]}"
