"""A shop: products, goals and the search index, built once and memory-mapped since.

catalog = Catalog.load(items="items_shuffle.json", instructions="items_ins_v2.json")
catalog = Catalog.generate(seed=0, num_products=1000)
catalog.products[0].title, catalog.goals[17].instruction, catalog.search("red mug")
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, overload

import numpy as np

from proxmo.envs.webshop.data import (
    NO_ATTRIBUTE,
    Entry,
    Product,
    parse_product,
    read_by_product,
    read_json,
    read_products,
    texts,
)
from proxmo.envs.webshop.goals import Goals, GoalWriter
from proxmo.envs.webshop.search import IndexWriter, SearchIndex
from proxmo.envs.webshop.store import (
    Postings,
    Records,
    RecordWriter,
    encode,
    load_array,
    save_array,
    write_postings,
)
from proxmo.envs.webshop.tagger import Tagger, TitleNouns
from proxmo.errors import InputError
from proxmo.files import whole

FORMAT = 2
"""Raised when what is in a built folder changes, or how it is computed."""
SEED = 20261123
"""Default seed of sale prices and price caps, which WebShop draws anew in every process.

With it the official 1,000 products have the prices and goals of the recorded reference.
"""
SEARCH_RESULTS = 50
"""Products that a search finds at most (WebShop's SEARCH_RETURN_N)."""
_MAX_ASIN = 10
_LONGEST_KEPT = 1000
"""Characters of a query whose results are kept for the next time."""
_FIELDS = [field.name for field in fields(Product)]

OnProgress = Callable[[int], None]
"""Called with the number of products that are built: at the start with 0, then now and then."""
Pair = tuple[Entry, Entry | None]
"""A product and what the instruction file has for it."""


class Products(Sequence[Product]):
    """The products of a catalog, in its order, each read when it is asked for."""

    def __init__(self, folder: Path):
        self._records = Records(folder, "products")
        self._read = lru_cache(maxsize=1 << 14)(self._parse)

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Product: ...
    @overload
    def __getitem__(self, index: slice) -> list[Product]: ...
    def __getitem__(self, index: int | slice) -> Product | list[Product]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._read(index)

    def _parse(self, index: int) -> Product:
        return Product(*json.loads(self._records[index]))


class Catalog:
    """Products, goals and search of one shop.

    Made by `load`, `generate` or `open`. What it reads is in `folder`, memory-mapped: any
    number of environments share one catalog, and processes share its pages. A pickled
    catalog is the name of its folder.
    """

    def __init__(self, folder: Path, tagger: Tagger | None = None):
        meta = _read_meta(folder)
        self.folder = folder
        self.source: str = meta["source"]
        """What it was made from, in words."""
        self.products = Products(folder)
        self.goals = Goals(folder, self.products)
        self.prices = load_array(folder, "prices")
        """What each product costs, in dollars: of two prices one drawn between them."""
        self.nouns = TitleNouns(folder, tagger)
        self._asins = load_array(folder, "asins")
        self._by_asin = load_array(folder, "asins.order")
        rank = load_array(folder, "asins.rank")
        self._index = SearchIndex(folder, len(self.products), rank)
        self._search = lru_cache(maxsize=1 << 12)(self._index.top)
        self._facets = Postings(folder, "facets")

    @staticmethod
    def load(
        items: str | Path,
        instructions: str | Path,
        human_instructions: str | Path | None = None,
        goals: str | Path | None = None,
        *,
        num_products: int | None = None,
        seed: int = SEED,
        cache: str | Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> Catalog:
        """A catalog of the official files, JSON or gzipped JSON.

        With `human_instructions` the goals are those that people wrote, else the synthetic
        ones. `num_products` takes the first so many products. `seed` draws sale prices and
        price caps; a file of recorded `goals` has its own. What is built is kept in `cache`
        (default: `webshop` in `$PROXMO_CACHE`) until a file changes.
        """
        if num_products is not None and (not isinstance(num_products, int) or num_products < 1):
            raise InputError(f"num_products must be a whole number >= 1, got {num_products!r}")
        paths = [
            None if path is None else Path(path).expanduser()
            for path in (items, instructions, human_instructions, goals)
        ]
        key = [[str(p.resolve()), *_stamp(p)] if p else None for p in paths]
        items_path, instructions_path, human_path, goals_path = paths
        assert items_path is not None
        assert instructions_path is not None
        folder = _cache(cache) / _digest(["load", FORMAT, key, num_products, seed])

        def pairs() -> Iterator[Pair]:
            entries = {asin: json.dumps(e) for asin, e in read_by_product(instructions_path)}
            for number, product in enumerate(read_products(items_path)):
                if number == num_products:
                    return
                entry = entries.get(str(product.get("asin")))
                yield product, None if entry is None else json.loads(entry)

        return _built(
            folder,
            source=", ".join(path.name for path in paths if path),
            pairs=pairs,
            seed=seed,
            files=True,
            human=human_path,
            recorded=goals_path,
            on_progress=on_progress,
        )

    @staticmethod
    def generate(
        seed: int,
        num_products: int,
        *,
        cache: str | Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> Catalog:
        """A catalog of `num_products` invented products; the same for the same arguments."""
        from proxmo.envs.webshop import generator

        if not isinstance(num_products, int) or num_products < 1:
            raise InputError(f"num_products must be a whole number >= 1, got {num_products!r}")
        key = ["generate", FORMAT, generator.fingerprint(), seed, num_products]
        return _built(
            _cache(cache) / _digest(key),
            source=f"{num_products} generated products, seed {seed}",
            pairs=lambda: iter(generator.generate(seed, num_products)),
            seed=seed,
            on_progress=on_progress,
        )

    @staticmethod
    def open(folder: str | Path) -> Catalog:
        """The catalog that was built in `folder`; one object per process and folder."""
        return _open(Path(folder).resolve())

    def __reduce__(self) -> tuple[Callable[..., Catalog], tuple[str]]:
        return Catalog.open, (str(self.folder),)

    def __repr__(self) -> str:
        return f"Catalog({self.source}: {len(self.products)} products, {len(self.goals)} goals)"

    def find(self, asin: str) -> int | None:
        """The place of a product, or None if it is not in the catalog."""
        key = encode(asin)
        at = int(np.searchsorted(self._asins, key, sorter=self._by_asin))
        if at == len(self._by_asin):
            return None
        number = int(self._by_asin[at])
        return number if self._asins[number] == key else None

    def search(self, query: str) -> Sequence[int]:
        """The places of the products that best match a query, best first, at most 50."""
        search = self._search if len(query) <= _LONGEST_KEPT else self._index.top
        return search(query, SEARCH_RESULTS)

    def with_category(self, category: str) -> Sequence[int]:
        """The places of a department's products."""
        return self._facets.of(f"category\n{category}").tolist()

    def with_query(self, query: str) -> Sequence[int]:
        """The places of the products that were collected with `query`."""
        return self._facets.of(f"query\n{query}").tolist()

    def with_attribute(self, attribute: str) -> Sequence[int]:
        """The places of the products that have an attribute."""
        return self._facets.of(f"attribute\n{attribute}").tolist()


def search_text(product: Product) -> str:
    """The text of a product that search reads."""
    options = ", and ".join(f"{k}: {', '.join(v)}" for k, v in product.options.items())
    first = product.features[0] if product.features else ""
    return " ".join([product.title, product.description, first, options]).lower()


@lru_cache(maxsize=64)
def _open(folder: Path) -> Catalog:
    return Catalog(folder)


def _cache(given: str | Path | None) -> Path:
    if given is not None:
        return Path(given).expanduser()
    return Path(os.environ.get("PROXMO_CACHE") or Path.home() / ".cache" / "proxmo") / "webshop"


def _digest(key: list[Any]) -> str:
    return hashlib.blake2b(json.dumps(key).encode(), digest_size=12).hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does: its size and the time it was written."""
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return status.st_size, status.st_mtime_ns


def _read_meta(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(
            f"{folder} holds no built catalog that can be read; make one with Catalog.load (a "
            "damaged one is built again once its folder is deleted)"
        ) from None
    if meta.get("format") != FORMAT:
        raise InputError(f"the catalog in {folder} was built by another version; build it again")
    for name, size in meta["sizes"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            raise InputError(
                f"the catalog in {folder} is damaged: {name} is "
                + ("not of its size" if path.is_file() else "gone")
                + "; delete the folder, and it is built again"
            )
    return meta


def _built(folder: Path, **arguments: Any) -> Catalog:
    """The catalog in `folder`, built first where it is not there yet."""
    if not (folder / "meta.json").is_file():
        try:
            with whole(folder, keep=True) as unfinished:
                unfinished.mkdir()
                _build(unfinished, **arguments)
        except OSError as error:
            raise InputError(
                f"cannot write the catalog to {folder}: {error}; set $PROXMO_CACHE to a folder "
                "with room"
            ) from error
    return Catalog.open(folder)


def _build(
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
    written = None if human is None else dict(read_by_product(human))
    writer = RecordWriter(folder, "products")
    index, goals = IndexWriter(folder), GoalWriter(folder)
    facets: defaultdict[str, array[int]] = defaultdict(lambda: array("i"))
    prices, places = array("d"), dict[str, int]()
    for entry, instruction in pairs():
        attributes = _attributes(entry, instruction)
        product, charged = parse_product(entry, attributes)
        asin, number = product.asin, len(places)
        if asin == "nan" or len(asin) > _MAX_ASIN or asin in places:
            continue
        places[asin] = number
        prices.append(charged[0] if len(charged) == 1 else rng.uniform(*charged))
        writer.append(json.dumps([getattr(product, name) for name in _FIELDS]).encode())
        index.add(search_text(product))
        facets[f"category\n{product.category}"].append(number)
        facets[f"query\n{product.query}"].append(number)
        for attribute in dict.fromkeys(attributes):
            facets[f"attribute\n{attribute}"].append(number)
        if recorded is None and written is not None:
            goals.add_human(number, product, written.get(asin, []))
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
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    meta = {"format": FORMAT, "source": source, "products": len(places), "sizes": sizes}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _attributes(entry: Entry, instruction: Any) -> list[str]:
    asin = entry.get("asin")
    if instruction is None:
        return [NO_ATTRIBUTE]
    if not isinstance(instruction, dict):
        raise InputError(f"product {asin!r}: its entry in the instructions is not a JSON object")
    if "attributes" not in instruction:
        return [NO_ATTRIBUTE]
    return texts(instruction["attributes"], f"product {asin!r}: 'attributes'")


def _take_recorded(
    goals: GoalWriter, path: Path, prices: array[float], places: Mapping[str, int]
) -> None:
    """Goals and prices as a file has them: {"prices": {asin: price}, "goals": [...]}."""
    content = read_json(path)
    try:
        numbers = [places[goal["asin"]] for goal in content["goals"]]
        for asin, price in content["prices"].items():
            if asin in places:
                if not math.isfinite(float(price)):
                    raise ValueError(f"the price of {asin!r} is {price}")
                prices[places[asin]] = float(price)
        if not numbers:
            raise InputError(f"{path} has no goals")
        goals.close_with(content["goals"], numbers)
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path} does not fit the catalog: a goal is for another product, or a field is "
            f"absent or of a wrong kind ({error})"
        ) from error


def _save_asins(folder: Path, asins: list[bytes]) -> None:
    kept = np.array(asins)
    order = np.argsort(kept, kind="stable").astype(np.int32)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order), dtype=np.int32)
    save_array(folder, "asins", kept)
    save_array(folder, "asins.order", order)
    save_array(folder, "asins.rank", rank)
