"""WebShop's files: products and instructions as the official JSON has them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from proxmo.envs.webshop.catalog.json_files import members
from proxmo.errors import InputError

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
    for number, entry in enumerate(members(path, "[")):
        if not isinstance(entry, dict):
            raise InputError(f"{path}: product {number} is not a JSON object")
        yield entry


def read_by_product(path: Path) -> Iterator[tuple[str, Any]]:
    """(asin, entry) of an instruction file: `items_ins_v2*.json` or `items_human_ins.json`."""
    yield from members(path, "{")


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
