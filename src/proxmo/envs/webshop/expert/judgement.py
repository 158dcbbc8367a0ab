"""What a product is expected to be worth, from what was read of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rapidfuzz import fuzz

from proxmo.envs.webshop.expert.instruction import Wish, words_of
from proxmo.envs.webshop.shop.reward import ALIKE

_LIKELY = {-1: 0.15, 0: 0.5, 1: 0.75, 2: 0.95}
"""Chance that a word of the task holds for a product though it was not read there, by the signs
that it is the product asked for. (A quarter of the official attributes stand in no text.)"""
HEADROOM = 40.0
"""Most dollars between a product's price and the price that its instruction names."""
UNKNOWN_OPTION = 0.6
"""Chance that an option can be had, before the product was opened."""
RANK = 0.012
"""Expected score that a product loses for each place further down in the results."""

_DOLLARS = re.compile(r"\$([\d,]+(?:\.\d+)?)")


@dataclass(slots=True)
class KnownProduct:
    """What the expert knows of a product."""

    name: str
    """Its identifier, as it is clicked."""
    title: str
    price: str
    page: int
    rank: int
    query: str
    noise: float = 0.0
    options: list[tuple[str, list[str]]] | None = None
    """Name and values; None until it was opened."""
    texts: dict[str, str] = field(default_factory=dict)
    """Sub-page -> its text, where it was read."""


def worth(wish: Wish, product: KnownProduct) -> float:
    """The score expected of buying a product, as far as it is known."""
    title = set(words_of(product.title))
    read = title.union(*(words_of(text) for text in product.texts.values()))
    for name, values in product.options or ():
        read.update(words_of(f"{name} {' '.join(values)}"))
    guess = _LIKELY[_agrees(wish, product)]
    held = [1.0 if word in read else guess for word in wish.words]
    # Two words are an attribute, and two more name the product.
    weight = max(1.0, len(held) / 2 - 1)
    attributes = weight * (sum(held) / len(held) if held else 1.0)
    options = sum(_available(product, name, value) for name, value in wish.options)
    price = _affordable(product.price, wish.cap)
    total = weight + len(wish.options) + 1
    score = (attributes + options + price) / total
    return score - RANK * product.rank + product.noise


def _agrees(wish: Wish, product: KnownProduct) -> int:
    """Signs that this is the very product asked for: -1 against, 0, 1 or 2 for it.

    An instruction's price is up to forty dollars above the product's, and its options are
    values that the product has, letter by letter.
    """
    signs = 0
    if wish.cap != float("inf"):
        prices = dollars(product.price)
        near = bool(prices) and prices[0] < wish.cap and prices[-1] >= wish.cap - HEADROOM
        if not near:
            return -1
        signs += 1
    if wish.options and product.options is not None:
        values = {value for _, values in product.options for value in values}
        if not all(value in values for _, value in wish.options):
            return -1
        signs += 1
    return signs


def _available(product: KnownProduct, name: str, value: str) -> float:
    if product.options is None:
        # Sellers often put the options into the title.
        said = set(words_of(value)) <= set(words_of(product.title))
        return 0.8 if said else UNKNOWN_OPTION
    return 0.0 if pick(product.options, name, value) is None else 1.0


def picks(wish: Wish, product: KnownProduct) -> list[str]:
    """The values to click, in the page's order."""
    options = product.options or []
    if wish.options:
        found = [pick(options, name, value) for name, value in wish.options]
        return list(dict.fromkeys(value for value in found if value is not None))
    return [value for _, values in options if (value := _said(values, wish))]


def pick(options: list[tuple[str, list[str]]], name: str, value: str) -> str | None:
    """The value to click for an option: the very one, else the most alike."""
    ordered = sorted(options, key=lambda option: option[0] != name)
    for _, values in ordered:
        if value in values:
            return value
    alike = [
        (
            fuzz.token_set_ratio(candidate, f"{name} {value}"),
            fuzz.ratio(candidate, value),
            candidate,
        )
        for _, values in ordered
        for candidate in values
    ]
    best = max(alike, default=(0.0, 0.0, ""))
    return best[2] if best[0] >= ALIKE else None


def _said(values: list[str], wish: Wish) -> str | None:
    """The value of an option that a person's instruction speaks of."""
    said = set(wish.words) | set(words_of(wish.text))
    scored = [(len(words), value) for value in values if (words := set(words_of(value))) <= said]
    return max(scored)[1] if scored else None


def _affordable(price: str, cap: float) -> float:
    """Chance that a price, or a price between two, is not above the cap."""
    numbers = dollars(price)
    if not numbers:
        return 1.0
    low, high = numbers[0], numbers[-1]
    if high <= cap:
        return 1.0
    return 0.0 if low > cap else (cap - low) / (high - low)


def dollars(price: str) -> list[float]:
    """The amounts in a price tag, one or two."""
    return [float(number.replace(",", "")) for number in _DOLLARS.findall(price)]
