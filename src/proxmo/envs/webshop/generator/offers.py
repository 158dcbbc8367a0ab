"""What a generated product costs, and the options in which it is sold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from proxmo.envs.webshop.generator.assortment import OptionRow, ProductType
from proxmo.envs.webshop.generator.draws import Draw, one, some

NO_PRICE = 0.085
"""Share of products without a price (official small set)."""
TWO_PRICES = 0.092
"""Share of products with a lowest and a highest price (official small set)."""
ENDINGS = (0.99, 0.99, 0.99, 0.99, 0.95, 0.0, 0.49, 0.89, 0.98, 0.97, 0.5, 0.72)
"""Cents that prices end with."""
CODED, COMPOUND = 0.12, 0.08
"""Shares of colour lists with a seller's code before each, and of colours that are two."""
_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def price_tag(draw: Draw, kind: ProductType) -> str:
    """ "$19.99", "$19.99$27.99", or nothing; log-normal around the type's median."""
    chance = draw()
    # Box and Muller's transform; 1 - u is never 0.
    normal = math.sqrt(-2.0 * math.log(1.0 - draw())) * math.cos(2.0 * math.pi * draw())
    price = max(1, int(kind.median * math.exp(kind.sigma * normal))) + one(draw, ENDINGS)
    if chance < NO_PRICE:
        return ""
    if chance < NO_PRICE + TWO_PRICES:
        return f"${price:.2f}${price + 1 + int(draw() * 0.6 * price):.2f}"
    return f"${price:.2f}"


def options_of(draw: Draw, rows: Sequence[OptionRow]) -> dict[str, list[dict[str, Any]]]:
    """Name -> values in the official shape; a value has an image where it is a colour."""
    options: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if draw() < row.share:
            # Exponential numbers: most products have a few values, some have dozens.
            count = 2 + int(-3.2 * math.log(1.0 - draw()))
            if row.ordered:
                count = min(count, len(row.values))
                start = int(draw() * (len(row.values) - count + 1))
                values = row.values[start : start + count]
            else:
                values = some(draw, row.values, count)
            if row.name == "Color":
                values = _seller_colors(draw, values)
            options[row.name] = [{"value": value, "image": None} for value in values]
    return options


def _seller_colors(draw: Draw, colors: Sequence[str]) -> list[str]:
    """Colours as sellers write them: "A-Black", "Black/White"."""
    prefix = f"{one(draw, _SIGNS)}-" if draw() < CODED else ""
    named = []
    for place, color in enumerate(colors):
        other = colors[place - 1]
        second = f"/{other}" if len(colors) > 2 and draw() < COMPOUND else ""
        named.append(f"{prefix}{color}{second}")
    return named
