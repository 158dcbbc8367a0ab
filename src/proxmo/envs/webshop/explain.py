"""What the parts of WebShop's score mean, and how they make it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MEANINGS = {
    "r_type": "kind of product, a factor: 1 as asked for, 0.5, 0.1 or 0 if less and less alike",
    "query_match": "found with the same query as the product asked for",
    "category_match": "shares two categories with the product asked for",
    "title_score": "share of the nouns of its title that stand in this title",
    "r_att": "share of the attributes asked for",
    "w_att": "weight of the attributes: their number / (attributes + options + 1)",
    "r_option": "share of the options asked for",
    "w_option": "weight of the options: their number / (attributes + options + 1)",
    "r_price": "within the price asked for",
    "w_price": "weight of the price: 1 / (attributes + options + 1)",
}
"""Parts of a purchase's score (`proxmo.envs.webshop.shop.reward`), in their order."""

_WEIGHTED = (("w_att", "r_att"), ("w_option", "r_option"), ("w_price", "r_price"))
"""Parts that the score multiplies and adds up; a goal without options lacks the second."""


def explain(info: Mapping[str, Any]) -> list[str]:
    """How the score of an episode that ended with `info` came about, a line each."""
    parts: Mapping[str, Any] = info["reward_parts"]
    if not parts:
        return ["nothing was bought"]
    width = max(map(len, parts))
    lines = [
        f"  {name:<{width}}  {_told(value):<5}  {MEANINGS[name]}" for name, value in parts.items()
    ]
    return [*_combination(parts), *lines]


def _combination(parts: Mapping[str, Any]) -> list[str]:
    """How the parts make the score, in names and in numbers."""
    terms = [pair for pair in _WEIGHTED if parts.keys() >= set(pair)]
    names = " + ".join(f"{weight} * {share}" for weight, share in terms)
    numbers = " + ".join(f"{parts[weight]:.3g} * {parts[share]:.3g}" for weight, share in terms)
    return [f"  = r_type * ({names})", f"  = {parts['r_type']:.3g} * ({numbers})"]


def _told(value: float | bool) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
