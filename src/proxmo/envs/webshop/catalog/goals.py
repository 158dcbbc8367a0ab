"""Goals: what the agent is told to buy."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy as np

from proxmo.envs.webshop.catalog.official import Options, Product
from proxmo.envs.webshop.store import Records, load_array

NO_CAP = 1_000_000.0
"""Price cap of a goal that has none."""


@dataclass(frozen=True, slots=True)
class ShoppingGoal:
    """One instruction, and what the reward compares a purchase with."""

    index: int
    """Place in the catalog's goals."""
    product: int
    """Place of the product that is asked for."""
    asin: str
    title: str
    query: str
    category: str
    product_category: str
    instruction: str
    """What the agent reads."""
    attributes: list[str]
    options: dict[str, str] | list[str]
    """Name -> value in synthetic goals; values alone in those that people wrote."""
    price_upper: float
    weight: float
    """In proportion to which goals are sampled."""


class Goals(Sequence[ShoppingGoal]):
    """The goals of a catalog, each made when it is asked for."""

    def __init__(self, folder: Path, products: Sequence[Product]):
        self._records = Records(folder, "instructions")
        self._catalog = products
        self._products = load_array(folder, "goals.products")
        self._starts = load_array(folder, "goals.starts")
        self._order = load_array(folder, "goals.order")
        self._indices = load_array(folder, "goals.indices")
        self._caps = load_array(folder, "goals.caps")
        self._weights = load_array(folder, "goals.weights")
        self._masses = load_array(folder, "goals.masses")
        self._told = bool(load_array(folder, "goals.told")[0])

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> ShoppingGoal: ...
    @overload
    def __getitem__(self, index: slice) -> list[ShoppingGoal]: ...
    def __getitem__(self, index: int | slice) -> ShoppingGoal | list[ShoppingGoal]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        instruction, combination = self._locate(index)
        text, attributes, options = json.loads(self._records[instruction])
        number = int(self._products[instruction])
        product = self._catalog[number]
        cap = float(self._caps[instruction])
        if options is None:
            options = _combination(product.options, combination)
        if not self._told:
            if isinstance(options, dict) and options:
                text += " with " + ", and ".join(f"{k}: {v}" for k, v in options.items())
            if cap != NO_CAP:
                text += f", and price lower than {cap:.2f} dollars"
        return ShoppingGoal(
            index=index,
            product=number,
            asin=product.asin,
            title=product.title,
            query=product.query,
            category=product.category,
            product_category=product.product_category,
            instruction=text,
            attributes=attributes,
            options=options,
            price_upper=cap,
            weight=float(self._weights[instruction]),
        )

    def products(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """The place of the product that each goal asks for."""
        instructions = np.searchsorted(self._starts, self._order, "right") - 1
        return self._products[instructions]

    def draw(self, position: float) -> int:
        """A goal by its weight: `position` in [0, 1) is where a uniform draw fell."""
        total = float(self._masses[-1])
        mass = min(position * total, np.nextafter(total, 0.0))
        instruction = int(np.searchsorted(self._masses, mass, "right"))
        before = float(self._masses[instruction - 1]) if instruction else 0.0
        share = (mass - before) / (float(self._masses[instruction]) - before)
        start, end = self._starts[instruction : instruction + 2].tolist()
        return int(self._indices[start + min(int(share * (end - start)), end - start - 1)])

    def _locate(self, index: int) -> tuple[int, int]:
        """(instruction, combination of options) of a goal."""
        place = int(self._order[index])
        instruction = bisect_right(self._starts, place) - 1
        return instruction, place - int(self._starts[instruction])


def _combination(options: Options, number: int) -> dict[str, str]:
    """One value of each option, by name in order; the last name's values change fastest."""
    names = sorted(options)
    sizes = [len(options[name]) for name in names]
    steps = list(accumulate([1, *sizes[:0:-1]], int.__mul__))[::-1] if names else []
    return {
        name: options[name][number // step % size]
        for name, step, size in zip(names, steps, sizes, strict=True)
    }


def goal_id(index: int) -> str:
    """The name of a goal of a catalog, for records and reports."""
    return f"goal-{index}"
