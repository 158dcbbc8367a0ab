"""What the generated shop can sell: the generator's tables, read once from `products.toml`.

Texts are cut apart at their slots and lists at their commas here, so that making a product
is choosing and joining. No randomness, no JSON fields.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import accumulate
from typing import Any

TABLES = "products.toml"


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something that a product can be, have or serve for."""

    text: str
    """As instructions name it, in lower case: "machine washable"."""
    kind: str
    """"is", "with" or "for"."""
    bullets: tuple[str, ...]
    """Sentences that tell it, with the slots {noun} and {word}."""
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptionRow:
    """An option that products of a type may have."""

    name: str
    values: tuple[str, ...]
    ordered: bool
    """Whether a product has a run of neighbouring values, as sizes are."""
    share: float
    """Share of the products that have it."""


@dataclass(frozen=True, slots=True)
class ProductType:
    """One kind of product: all that are found with one query."""

    query: str
    department: str
    path: str
    """Categories, joined by " › "."""
    median: float
    """Median price in dollars."""
    sigma: float
    """Standard deviation of the price's logarithm."""
    audience: str
    """"Women's", "Men's", or empty."""
    nouns: tuple[str, ...]
    words: tuple[str, ...]
    extras: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    options: tuple[OptionRow, ...]
    bullets: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assortment:
    """All of `products.toml`."""

    brands: tuple[str, ...]
    types: tuple[ProductType, ...]
    cumulative: tuple[float, ...]
    """Cumulative shares of the types, the last one 1: departments by their share, the types of
    a department alike."""


@cache
def assortment() -> Assortment:
    """The tables, read on first use."""
    folder = resources.files("proxmo.envs.webshop.generator")
    data = tomllib.loads(folder.joinpath(TABLES).read_text(encoding="utf-8"))
    rows: dict[str, dict[str, Any]] = data["types"]
    departments: dict[str, dict[str, Any]] = data["departments"]
    total = sum(department["share"] for department in departments.values())
    number = {name: sum(row["department"] == name for row in rows.values()) for name in departments}
    shares = [
        departments[row["department"]]["share"] / total / number[row["department"]]
        for row in rows.values()
    ]
    cumulative = [*accumulate(shares)]
    starts, ends = map(_split, data["brands"])
    return Assortment(
        brands=tuple(start + end for start in starts for end in ends),
        types=tuple(_type(query, row, data) for query, row in rows.items()),
        cumulative=(*cumulative[:-1], 1.0),
    )


def _type(query: str, row: dict[str, Any], data: dict[str, Any]) -> ProductType:
    department = data["departments"][row["department"]]
    audience = next((who for who in ("women's", "men's") if query.startswith(who)), "")
    return ProductType(
        query=query,
        department=row["department"],
        path=f"{department['root']} › {row['path']}",
        median=float(row["price"][0]),
        sigma=float(row["price"][1]),
        audience=audience.capitalize(),
        nouns=_split(row["nouns"]),
        words=_split(row["words"]),
        extras=_split(row["extras"]),
        attributes=tuple(
            _attribute(text, kind, table)
            for kind, table in data["kinds"].items()
            for text in _split(row[kind])
        ),
        options=tuple(_option(text, data) for text in _split(row["options"])),
        bullets=tuple(department["bullets"]),
        sentences=tuple(department["sentences"]),
    )


def _attribute(text: str, kind: str, table: dict[str, Any]) -> Attribute:
    def told(templates: list[str]) -> tuple[str, ...]:
        capital = text[0].upper() + text[1:]
        return tuple(t.replace("{a}", text).replace("{A}", capital) for t in templates)

    return Attribute(text, kind, told(table["bullets"]), told(table["sentences"]))


def _option(text: str, data: dict[str, Any]) -> OptionRow:
    name, values, share = text.split("/")
    ordered = values in _split(data["ordered"])
    return OptionRow(name, _split(data["values"][values]), ordered, int(share) / 100)


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))
