"""Goals: what the agent is told to buy, made from instructions as WebShop makes them."""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from pathlib import Path
from random import Random
from typing import Any, overload

import numpy as np

from proxmo.envs.webshop.data import Entry, Options, Product, texts
from proxmo.envs.webshop.store import Records, RecordWriter, load_array, save_array
from proxmo.errors import InputError

SHUFFLE_SEED = 233
"""Seed with which WebShop puts its goals in order."""
NO_CAP = 1_000_000.0
"""Price cap of a goal that has none."""
_MOST = 1 << 31
"""More goals than any real catalog has; the official full one has a few million."""
_CAPS = [10.0 * step for step in range(1, 100)]


@dataclass(frozen=True, slots=True)
class Goal:
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


class GoalWriter:
    """Gathers instructions, then draws price caps and puts the goals in order."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._records = RecordWriter(folder, "instructions")
        self._products = array("i")
        self._counts = array("q")
        self._attributes: list[list[str]] = []
        self._synthetic = True
        self._total = 0

    def __len__(self) -> int:
        return sum(self._counts)

    def add_synthetic(self, number: int, product: Product, entry: Entry) -> None:
        """The goals of a product's instruction: one for each combination of its options."""
        if entry.get("instruction") is None:
            return
        asin = product.asin
        text, attributes = entry["instruction"], entry.get("instruction_attributes")
        if not isinstance(text, str):
            raise InputError(f"product {asin!r}: its instruction is not a text")
        attributes = texts(attributes, f"product {asin!r}: 'instruction_attributes'")
        if not attributes:
            raise InputError(f"product {asin!r} has an instruction without attributes")
        count = prod(len(values) for values in product.options.values())
        self._total += count
        if self._total > _MOST:
            raise InputError(
                f"product {asin!r}: its options have {count} combinations, each a goal, and a "
                f"catalog holds {_MOST} goals at most; shorten its 'customization_options'"
            )
        self._add(number, [text, attributes, None], count)

    def add_human(self, number: int, product: Product, entries: Any) -> None:
        """The goals that people wrote for a product; those without attributes are left out."""
        self._synthetic = False
        if not isinstance(entries, list):
            raise InputError(f"product {product.asin!r}: its human instructions are not a list")
        for entry in entries:
            what = f"product {product.asin!r}, a human instruction: "
            if not isinstance(entry, dict) or not isinstance(entry.get("instruction"), str):
                raise InputError(f"{what}it has no text 'instruction'")
            attributes = texts(
                entry.get("instruction_attributes"), f"{what}'instruction_attributes'"
            )
            options = texts(entry.get("instruction_options"), f"{what}'instruction_options'")
            if attributes:
                text = entry["instruction"].strip(".")
                self._add(number, [text, attributes, options], 1)

    def _add(self, number: int, record: list[Any], count: int) -> None:
        self._records.append(json.dumps(record).encode())
        self._products.append(number)
        self._counts.append(count)
        self._attributes.append(record[1])

    def close(self, prices: Sequence[float], rng: Random) -> None:
        """Draw the caps with `rng`, an instruction at a time, and order the goals."""
        self._records.close()
        caps = [_draw_cap(prices[number], rng) for number in self._products]
        self._save(np.array(caps, np.float64), self._weights())
        order = array("I", range(len(self)))
        Random(SHUFFLE_SEED).shuffle(order)
        self._save_order(np.frombuffer(order, np.uint32))

    def close_with(self, recorded: Sequence[Mapping[str, Any]], numbers: Sequence[int]) -> None:
        """Take the goals as they were recorded; `numbers` are those of their products."""
        self._products, self._counts = array("i", numbers), array("q", [1] * len(numbers))
        caps: list[float] = []
        weights: list[float] = []
        for goal in recorded:
            what = f"the recorded goal for {goal['asin']!r}: "
            attributes = texts(goal["attributes"], f"{what}'attributes'")
            if not attributes:
                raise InputError(f"{what}it has no attributes")
            told = goal["instruction_text"]
            if not isinstance(told, str):
                raise InputError(f"{what}its 'instruction_text' is not a text")
            cap, weight = float(goal["price_upper"]), float(goal["weight"])
            if math.isnan(cap) or not 0 < weight < math.inf:
                raise InputError(
                    f"{what}'price_upper' must be a number and 'weight' a number > 0, got "
                    f"{cap} and {weight}"
                )
            caps.append(cap)
            weights.append(weight)
            options = goal["goal_options"]
            texts([*options, *options.values()] if isinstance(options, dict) else options, what)
            record = [told, attributes, options]
            self._records.append(json.dumps(record).encode())
        self._records.close()
        self._save(np.array(caps), np.array(weights), told=True)
        self._save_order(np.arange(len(numbers), dtype=np.uint32))

    def _save_order(self, order: np.ndarray[Any, Any]) -> None:
        save_array(self._folder, "goals.order", order)
        indices = np.empty_like(order)
        indices[order] = np.arange(len(order), dtype=order.dtype)
        save_array(self._folder, "goals.indices", indices)

    def _save(
        self, caps: np.ndarray[Any, Any], weights: np.ndarray[Any, Any], told: bool = False
    ) -> None:
        counts = np.frombuffer(self._counts, np.int64)
        save_array(self._folder, "goals.products", np.frombuffer(self._products, np.int32))
        save_array(self._folder, "goals.starts", np.concatenate([[0], np.cumsum(counts)]))
        save_array(self._folder, "goals.caps", caps)
        save_array(self._folder, "goals.told", np.array([told]))
        save_array(self._folder, "goals.weights", weights)
        save_array(self._folder, "goals.masses", np.cumsum(weights * counts))

    def _weights(self) -> np.ndarray[Any, Any]:
        """Mean of 1 / frequency of a goal's attributes; 1 for goals that people wrote."""
        if not self._synthetic:
            return np.ones(len(self._products))
        frequency: Counter[str] = Counter()
        for attributes, count in zip(self._attributes, self._counts, strict=True):
            for attribute in attributes:
                frequency[attribute] += count
        return np.array(
            [
                sum(1.0 / (frequency[attribute] or 1) for attribute in attributes) / len(attributes)
                for attributes in self._attributes
            ],
            np.float64,
        )


def _draw_cap(price: float, rng: Random) -> float:
    """The larger of two of the first four multiples of ten above the price."""
    above = [cap for cap in _CAPS if cap > price][:4]
    return max(rng.sample(above, 2)) if len(above) >= 2 else NO_CAP


class Goals(Sequence[Goal]):
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
    def __getitem__(self, index: int) -> Goal: ...
    @overload
    def __getitem__(self, index: slice) -> list[Goal]: ...
    def __getitem__(self, index: int | slice) -> Goal | list[Goal]:
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
        return Goal(
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
