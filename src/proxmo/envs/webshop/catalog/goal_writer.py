"""Making a catalog's goals from instructions, as WebShop makes them."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from proxmo.envs.webshop.catalog.goals import NO_CAP
from proxmo.envs.webshop.catalog.official import Entry, Product, texts
from proxmo.envs.webshop.store import RecordWriter, save_array
from proxmo.errors import InputError

SHUFFLE_SEED = 233
"""Seed with which WebShop puts its goals in order."""
_MOST = 1 << 31
"""More goals than any real catalog has; the official full one has a few million."""
_CAPS = [10.0 * step for step in range(1, 100)]


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
