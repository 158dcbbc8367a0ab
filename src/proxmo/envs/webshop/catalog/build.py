"""Writing everything that a `Catalog` reads, in one pass over its products."""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from random import Random

import numpy as np

from proxmo.envs.webshop.catalog import kept
from proxmo.envs.webshop.catalog.entries import Entry, entries
from proxmo.envs.webshop.catalog.goal_writer import GoalWriter
from proxmo.envs.webshop.catalog.json_files import members_of
from proxmo.envs.webshop.catalog.official import (
    NO_ATTRIBUTE,
    Product,
    parse_product,
    read_by_product,
)
from proxmo.envs.webshop.search.writer import IndexWriter
from proxmo.envs.webshop.store import RecordWriter, encode, save_array, write_postings
from proxmo.errors import InputError

_MAX_ASIN = 10
_FIELDS = [field.name for field in fields(Product)]

OnProgress = Callable[[int], None]
"""Called with the number of products that are built: at the start with 0, then now and then."""
Pair = tuple[Entry, Entry | None]
"""A product and what the instruction file has for it."""


def build(
    folder: Path,
    *,
    source: str,
    pairs: Callable[[], Iterator[Pair]],
    seed: int,
    files: bool = False,
    human: Path | None = None,
    recorded: Path | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Write everything that a `Catalog` reads. One pass over the products."""
    if on_progress is not None:
        on_progress(0)  # before files of gigabytes are read
    rng = Random(seed)
    written = {} if human is None else dict(read_by_product(human))
    writer = RecordWriter(folder, "products")
    index, goals = IndexWriter(folder), GoalWriter(folder)
    facets: defaultdict[str, array[int]] = defaultdict(lambda: array("i"))
    prices, places = array("d"), dict[str, int]()
    for entry, instruction in pairs():
        asin, number = entry.text("asin"), len(places)
        if asin == "nan" or len(asin) > _MAX_ASIN or asin in places:
            continue  # as in WebShop, without a look at the rest
        attributes = _attributes(instruction)
        product, charged = parse_product(entry, attributes)
        places[asin] = number
        prices.append(charged[0] if len(charged) == 1 else rng.uniform(*charged))
        writer.append(json.dumps([getattr(product, name) for name in _FIELDS]).encode())
        index.add(search_text(product))
        facets[f"category\n{product.category}"].append(number)
        facets[f"query\n{product.query}"].append(number)
        for attribute in dict.fromkeys(attributes):
            facets[f"attribute\n{attribute}"].append(number)
        if recorded is None and human is not None:
            what = f"what it has for product {asin!r}"
            goals.add_human(number, entries(human, what, written.get(asin, [])))
        elif recorded is None and instruction is not None:
            goals.add_synthetic(number, product, instruction)
        if on_progress is not None and len(places) % 1000 == 0:
            on_progress(len(places))
    if not places:
        raise InputError(f"there are no products in {source}")
    writer.close()
    index.close()
    write_postings(folder, "facets", facets)
    if recorded is not None:
        _take_recorded(goals, recorded, prices, places)
    elif not len(goals):
        raise InputError(
            f"no instruction in {source} is for one of the {len(places)} products; "
            + ("are these files of the same catalog?" if files else "generate more of them")
        )
    else:
        goals.close(prices, rng)
    save_array(folder, "prices", np.frombuffer(prices))
    _save_asins(folder, [encode(asin) for asin in places])
    if on_progress is not None:
        on_progress(len(places))
    kept.write_meta(folder, source, len(places))


def _attributes(instruction: Entry | None) -> list[str]:
    if instruction is None or "attributes" not in instruction.values:
        return [NO_ATTRIBUTE]
    return instruction.texts("attributes")


def _take_recorded(
    goals: GoalWriter, path: Path, prices: array[float], places: Mapping[str, int]
) -> None:
    """Goals and prices as a file has them: {"prices": {asin: price}, "goals": [...]}."""
    for key, member in members_of(path, {"prices": "{", "goals": "["}):
        if key == "goals":
            entry = Entry.of(path, f"goal {len(goals)}", member)
            if entry.text("asin") not in places:
                raise entry.wrong("asin", "a product of the catalog")
            goals.add_recorded(places[entry.text("asin")], entry)
        elif member[0] in places:
            prices[places[member[0]]] = Entry(path, "'prices'", dict([member])).number(member[0])
    if not len(goals):
        raise InputError(f"{path} has no goals; is it the right file?")
    goals.close_recorded()


def _save_asins(folder: Path, asins: list[bytes]) -> None:
    kept = np.array(asins)
    order = np.argsort(kept, kind="stable").astype(np.int32)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order), dtype=np.int32)
    save_array(folder, "asins", kept)
    save_array(folder, "asins.order", order)
    save_array(folder, "asins.rank", rank)


def search_text(product: Product) -> str:
    """The text of a product that search reads."""
    options = ", and ".join(f"{k}: {', '.join(v)}" for k, v in product.options.items())
    first = product.features[0] if product.features else ""
    return " ".join([product.title, product.description, first, options]).lower()
