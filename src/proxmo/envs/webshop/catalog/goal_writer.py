"""Making a catalog's goals from instructions, as WebShop makes them."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from proxmo.envs.webshop.catalog.entries import Entry, are_texts
from proxmo.envs.webshop.catalog.goals import NO_CAP
from proxmo.envs.webshop.catalog.official import Product
from proxmo.envs.webshop.store import RecordWriter, save_array
from proxmo.errors import InputError

SHUFFLE_SEED = 233
"""Seed with which WebShop puts its goals in order."""
_MOST = 1 << 27
"""More goals than any real catalog has; the official full one has a few million. So many take a
gigabyte and minutes to put in order."""
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
        self._caps, self._recorded_weights = array("d"), array("d")
        self._mass = 0.0

    def __len__(self) -> int:
        return self._total

    def add_synthetic(self, number: int, product: Product, entry: Entry) -> None:
        """The goals of a product's instruction: one for each combination of its options."""
        if not entry.has("instruction"):
            return
        text, attributes = entry.text("instruction"), entry.texts("instruction_attributes")
        if not attributes:
            raise entry.wrong("instruction_attributes", "a list of texts with at least one of them")
        count = prod(len(values) for values in product.options.values())
        if self._total + count > _MOST:
            raise InputError(
                f"product {product.asin!r}: its options have {count} combinations, each a goal, "
                f"and a catalog holds {_MOST} goals at most; shorten its 'customization_options'"
            )
        self._add(number, [text, attributes, None], count)

    def add_human(self, number: int, entries: Iterable[Entry]) -> None:
        """The goals that people wrote for a product.

        As in WebShop, one without attributes is left out and not read any further.
        """
        self._synthetic = False
        for entry in entries:
            attributes = entry.texts("instruction_attributes")
            if attributes:
                text, options = entry.text("instruction"), entry.texts("instruction_options")
                self._add(number, [text.strip("."), attributes, options], 1)

    def add_recorded(self, number: int, entry: Entry) -> None:
        """A goal as it was recorded, with its text, cap and weight; see `close_recorded`."""
        attributes, text = entry.texts("attributes"), entry.text("instruction_text")
        if not attributes:
            raise entry.wrong("attributes", "a list of texts with at least one of them")
        weight = entry.number("weight")
        if weight <= 0:
            raise entry.wrong("weight", "a number > 0")
        self._mass += weight
        if math.isinf(self._mass):
            raise entry.wrong("weight", "a number that makes a finite one with the other weights")
        self._caps.append(entry.number("price_upper"))
        self._recorded_weights.append(weight)
        self._add(number, [text, attributes, _options(entry)], 1)

    def _add(self, number: int, record: list[Any], count: int) -> None:
        self._records.append(json.dumps(record).encode())
        self._products.append(number)
        self._counts.append(count)
        self._total += count
        self._attributes.append(record[1])

    def close(self, prices: Sequence[float], rng: Random) -> None:
        """Draw the caps with `rng`, an instruction at a time, and order the goals."""
        self._records.close()
        caps = [_draw_cap(prices[number], rng) for number in self._products]
        self._save(np.array(caps, np.float64), self._weights())
        order = array("I", range(len(self)))
        Random(SHUFFLE_SEED).shuffle(order)
        self._save_order(np.frombuffer(order, np.uint32))

    def close_recorded(self) -> None:
        """Take the recorded goals in the order in which they came."""
        self._records.close()
        caps, weights = np.frombuffer(self._caps), np.frombuffer(self._recorded_weights)
        self._save(caps, weights, told=True)
        self._save_order(np.arange(len(self), dtype=np.uint32))

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


def _options(entry: Entry) -> dict[str, str] | list[str]:
    """The options of a recorded goal: as in synthetic ones by name, or values alone."""
    options = entry.value("goal_options")
    if isinstance(options, dict) and are_texts(options.values()):
        return options
    if isinstance(options, list) and are_texts(options):
        return options
    raise entry.wrong("goal_options", 'options like {"color": "red"} or ["red"]')


def _draw_cap(price: float, rng: Random) -> float:
    """The larger of two of the first four multiples of ten above the price."""
    above = [cap for cap in _CAPS if cap > price][:4]
    return max(rng.sample(above, 2)) if len(above) >= 2 else NO_CAP
