"""Compare generated WebShop products with official ones: prints the table of the docs.

    python scripts/webshop_statistics.py items_shuffle_1000.json.gz items_ins_v2_1000.json.gz

Without files it prints the generated column alone. `--seed` and `--count` say which products.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import Any

from proxmo.envs.webshop.catalog.official import (
    parse_product,
    product_entry,
    read_by_product,
    read_products,
)
from proxmo.envs.webshop.generator.generator import generate

Pair = tuple[dict[str, Any], dict[str, Any] | None]
DEPARTMENTS = ("beauty", "electronics", "garden", "fashion", "grocery")


def spread(values: Iterable[float], digits: int = 0) -> str:
    """Median, and in brackets the 10th and the 90th percentile."""
    ordered = sorted(values)
    if not ordered:
        return "-"
    low, middle, high = (ordered[int(len(ordered) * q)] for q in (0.1, 0.5, 0.9))
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def shares(values: Sequence[int], groups: Sequence[tuple[int, int]]) -> str:
    """Per cent of the values in each closed interval."""
    return " / ".join(
        f"{100 * sum(low <= v <= high for v in values) / len(values):.0f}" for low, high in groups
    )


def statistics(pairs: Sequence[Pair]) -> dict[str, str]:
    """Row of the table -> its cell."""
    number = len(pairs)
    entries = (product_entry("products", place, entry) for place, (entry, _) in enumerate(pairs))
    products = [parse_product(entry, [])[0] for entry in entries]
    departments = Counter(product.category for product in products)
    prices = [float(entry["pricing"].split("$")[1].replace(",", "")) for entry, _ in pairs
              if entry["pricing"] and entry["pricing"] != "$100.0"]  # fmt: skip
    options = [[values for values in p.options.values() if values] for p in products]
    told = [(p, e) for p, (_, e) in zip(products, pairs, strict=True) if e and "instruction" in e]
    places: Counter[str] = Counter()
    for product, entry in told:
        bullets = " ".join(product.features).lower()
        for attribute in entry["instruction_attributes"]:
            places["title"] += attribute in product.title.lower()
            places["bullets"] += attribute in bullets
            places["text"] += attribute in product.description.lower()
            places["any"] += attribute in f"{product.title} {bullets} {product.description}".lower()
            places["all"] += 1
    goals = [prod(len(values) for values in product.options.values()) for product, _ in told]
    per_query = Counter(product.query for product in products)
    return {
        f"{' / '.join(DEPARTMENTS)}, %": " / ".join(
            f"{100 * departments[name] / number:.0f}" for name in DEPARTMENTS
        ),
        "queries": str(len(per_query)),
        "title, characters": spread(len(p.title) for p in products),
        "title, words": spread(len(p.title.split()) for p in products),
        "description, characters": spread(len(p.description) for p in products),
        "bullet points": spread(len(p.features) for p in products),
        "bullet point, characters": spread(len(f) for p in products for f in p.features),
        "price, dollars": spread(prices, 2),
        "two prices, %": f"{100 * sum(e['pricing'].count('$') > 1 for e, _ in pairs) / number:.0f}",
        "options per product 0 / 1 / 2 / more, %": shares(
            [len(values) for values in options], [(0, 0), (1, 1), (2, 2), (3, 9)]
        ),
        "values per option": spread(len(values) for row in options for values in row),
        "attributes per product 0 / 1 / 2 / 3 / more, %": shares(
            [len(e["attributes"]) if e else 0 for _, e in pairs],
            [(0, 0), (1, 1), (2, 2), (3, 3), (4, 99)],
        ),
        "products with an instruction, %": f"{100 * len(told) / number:.1f}",
        "attributes per instruction 2 / 3 / 4 / more, %": shares(
            [len(e["instruction_attributes"]) for _, e in told],
            [(2, 2), (3, 3), (4, 4), (5, 99)],
        ),
        "of these in title / bullet points / description / any, %": " / ".join(
            f"{100 * places[place] / places['all']:.0f}"
            for place in ("title", "bullets", "text", "any")
        ),
        "goals per product with an instruction": spread(goals),
        "goals in all": str(sum(goals)),
    }


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(
        description="Compare generated WebShop products with official ones."
    )
    parser.add_argument("files", type=Path, nargs="*", help="official items and instructions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    columns = {f"generated (seed {options.seed})": list(generate(options.seed, options.count))}
    if options.files:
        items, instructions = options.files
        entries = dict(read_by_product(instructions))
        official = [
            (entry.values, entries.get(entry.text("asin"))) for entry in read_products(items)
        ]
        columns = {"official": official, **columns}
    tables = {name: statistics(pairs) for name, pairs in columns.items()}
    print(f"| | {' | '.join(tables)} |\n|{'---|' * (len(tables) + 1)}")
    for row in next(iter(tables.values())):
        print(f"| {row} | {' | '.join(table[row] for table in tables.values())} |")


if __name__ == "__main__":
    main()
