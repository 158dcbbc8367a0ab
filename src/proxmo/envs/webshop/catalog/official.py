"""WebShop's files: products and instructions as the official JSON has them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from proxmo.envs.webshop.catalog.entries import Entry, are_texts, wrong
from proxmo.envs.webshop.catalog.json_files import members

_NO_PRICE = 100.0
NO_ATTRIBUTE = "DUMMY_ATTR"
"""Attribute of a product for which the instruction file has none (WebShop's own word)."""
_TOLD = 40
"""Characters of a name that an error tells."""
_FORM_OF_OPTIONS = 'options like {"color": [{"value": "red", "image": null}]}'

Options = dict[str, list[str]]


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
    for number, entry in enumerate(members(path, "[")):
        yield product_entry(path, number, entry)


def product_entry(file: Path | str, number: int, entry: Any) -> Entry:
    """A product as it stands in a file."""
    asin = entry.get("asin") if isinstance(entry, dict) else None
    told = f" ({asin[:_TOLD]!r})" if isinstance(asin, str) else ""
    return Entry.of(file, f"product {number}{told}", entry)


def instruction_entry(file: Path | str, asin: str, entry: Any) -> Entry:
    """What an instruction file has for a product, as it stands there."""
    return Entry.of(file, f"the entry of product {asin[:_TOLD]!r}", entry)


def read_by_product(path: Path) -> Iterator[tuple[str, Any]]:
    """(asin, entry) of an instruction file: `items_ins_v2*.json` or `items_human_ins.json`."""
    yield from members(path, "{")


def parse_product(entry: Entry, attributes: list[str]) -> tuple[Product, list[float]]:
    """A product and its prices (one, or the two that a sale price is drawn between).

    As in WebShop, what is empty (null, "", 0, false, [] or {}) counts as absent in description,
    bullet points, price and options, and a product without a price costs $100. Raises
    `InputError` that names what is missing or of a wrong kind.
    """
    prices, tag = _prices(entry)
    product = Product(
        asin=entry.text("asin"),
        title=entry.text("name"),
        description=entry.text("full_description") if entry.values.get("full_description") else "",
        features=_features(entry),
        price_tag=tag,
        category=entry.text("category"),
        query=entry.text("query").lower().strip(),
        product_category=entry.text("product_category"),
        options=_options(entry),
        attributes=attributes,
    )
    return product, prices


def _features(entry: Entry) -> list[str]:
    features = entry.values.get("small_description") or []
    if isinstance(features, str):
        return [features]
    return entry.texts("small_description") if features else []


def _prices(entry: Entry) -> tuple[list[float], str]:
    pricing = entry.values.get("pricing")
    if not pricing:
        return [_NO_PRICE], f"${_NO_PRICE}"
    amounts = pricing.split("$")[1:] if isinstance(pricing, str) else []
    try:
        found = [float(Decimal(re.sub(r"[^\d.]", "", amount))) for amount in amounts]
    except InvalidOperation:
        found = []
    if not found or not all(map(math.isfinite, found)):
        raise entry.wrong("pricing", "a price like '$9.99' or two like '$9.99$12.99'")
    if len(found) == 1:
        return found, f"${found[0]}"
    return found[:2], f"${found[0]} to ${found[1]}"


def _options(entry: Entry) -> Options:
    given = entry.values.get("customization_options") or {}
    if not isinstance(given, dict):
        raise entry.wrong("customization_options", _FORM_OF_OPTIONS)
    return {
        name.lower(): [
            value.strip().replace("/", " | ").lower() for value in _values(entry, name, values)
        ]
        for name, values in given.items()
        if values is not None
    }


def _values(entry: Entry, name: str, values: Any) -> list[str]:
    """The values of an option, of which WebShop's files have pictures, too."""
    listed: list[Any] = values if isinstance(values, list) else []
    found: list[Any] = [each.get("value") if isinstance(each, dict) else None for each in listed]
    if (values and not found) or not are_texts(found):
        what = f"the option {name[:_TOLD]!r} in 'customization_options' of {entry.name}"
        raise wrong(entry.file, what, values, _FORM_OF_OPTIONS)
    return found
