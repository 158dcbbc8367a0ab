"""A shop: products, goals and the search index, built once and memory-mapped since.

catalog = Catalog.load(items="items_shuffle.json", instructions="items_ins_v2.json")
catalog = Catalog.generate(seed=0, num_products=1000)
catalog.products[0].title, catalog.goals[17].instruction, catalog.search("red mug")
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np

from proxmo.envs import fingerprint
from proxmo.envs.webshop.catalog import kept
from proxmo.envs.webshop.catalog.build import OnProgress, Pair, build
from proxmo.envs.webshop.catalog.goals import Goals
from proxmo.envs.webshop.catalog.nouns import TitleNouns
from proxmo.envs.webshop.catalog.official import (
    Product,
    instruction_entry,
    product_entry,
    read_by_product,
    read_products,
)
from proxmo.envs.webshop.catalog.tagger import Tagger
from proxmo.envs.webshop.search.index import SearchIndex
from proxmo.envs.webshop.store import Postings, Records, encode, load_array
from proxmo.errors import InputError
from proxmo.files import sweep, whole

SEED = 20261123
"""Default seed of sale prices and price caps, which WebShop draws anew in every process.

With it the official 1,000 products have the prices and goals of the recorded reference.
"""
SEARCH_RESULTS = 50
"""Products that a search finds at most (WebShop's SEARCH_RETURN_N)."""
_GENERATED = "the generated products"
_LONGEST_QUERY = 10_000
"""Characters of a query that are searched; Lucene has no answer to more than 1,024 terms."""
_LONGEST_KEPT = 1000
"""Characters of a query whose results are kept for the next time."""


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
        meta = kept.read_meta(folder)
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
        (default: `webshop` in `$PROXMO_CACHE`) for files of these names and contents.
        """
        if num_products is not None and (not isinstance(num_products, int) or num_products < 1):
            raise InputError(f"num_products must be a whole number >= 1, got {num_products!r}")
        paths = [
            None if path is None else Path(path).expanduser()
            for path in (items, instructions, human_instructions, goals)
        ]
        digests = fingerprint.of_each({str(path): path for path in paths if path})
        key = [[path.name, digests[str(path)]] if path else None for path in paths]
        items_path, instructions_path, human_path, goals_path = paths
        assert items_path is not None
        assert instructions_path is not None
        folder = kept.place(cache, ["load", key, num_products, seed])

        def pairs() -> Iterator[Pair]:
            # As text an entry takes a fraction of the memory.
            told = {asin: json.dumps(e) for asin, e in read_by_product(instructions_path)}
            for product in islice(read_products(items_path), num_products):
                asin = product.text("asin")
                text = told.get(asin)
                if text is None:
                    yield product, None
                else:
                    yield product, instruction_entry(instructions_path, asin, json.loads(text))

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
        from proxmo.envs.webshop.generator import generator

        def pairs() -> Iterator[Pair]:
            for number, (product, entry) in enumerate(generator.generate(seed, num_products)):
                made = product_entry(_GENERATED, number, product)
                asin = product["asin"]
                yield made, None if entry is None else instruction_entry(_GENERATED, asin, entry)

        if not isinstance(num_products, int) or num_products < 1:
            raise InputError(f"num_products must be a whole number >= 1, got {num_products!r}")
        return _built(
            kept.place(cache, ["generate", generator.fingerprint(), seed, num_products]),
            source=f"{num_products} generated products, seed {seed}",
            pairs=pairs,
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
        """The places of the products that best match a query, best first, at most 50.

        Of a query the first 10,000 characters are searched.
        """
        query = query[:_LONGEST_QUERY]
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


@lru_cache(maxsize=64)
def _open(folder: Path) -> Catalog:
    return Catalog(folder)


def _built(folder: Path, **arguments: Any) -> Catalog:
    """The catalog in `folder`, built first where it is not there yet."""
    if not kept.is_built(folder):
        sweep(folder.parent)
        try:
            with whole(folder, keep=True) as unfinished:
                unfinished.mkdir()
                build(unfinished, **arguments)
        except OSError as error:
            raise InputError(
                f"cannot write the catalog to {folder}: {error}; set $PROXMO_CACHE to a folder "
                "with room"
            ) from error
    return Catalog.open(folder)
