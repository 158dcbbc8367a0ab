"""A shop of six products, written as WebShop writes its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from proxmo.envs.webshop import Catalog, WebShopEnv


def product(asin: str, name: str, **changes: Any) -> dict[str, Any]:
    """A product in the form of `items_shuffle.json`."""
    return {
        "asin": asin,
        "name": name,
        "full_description": "",
        "small_description": [],
        "pricing": "$12.00",
        "images": ["https://example.org/image.jpg"],
        "category": "garden",
        "query": "Mugs ",
        "product_category": "Home & Kitchen › Kitchen & Dining › Mugs",
        "customization_options": "",
        **changes,
    }


def options(**values: list[str]) -> dict[str, Any]:
    return {name: [{"value": v, "image": None} for v in each] for name, each in values.items()}


PRODUCTS = [
    product(
        "B000000001",
        "Red Stoneware Mug",
        full_description="A mug for tea.",
        small_description=["Dishwasher safe ", "Holds 12 ounces"],
        customization_options=options(Size=["Small", "Large/XL"], Color=["Red", "Navy Blue"]),
    ),
    product("B000000002", "Blue Glass Mug", pricing="$20.00$30.00"),
    product("B000000003", "Travel Mug with Lid", pricing="", small_description="Leak proof"),
    product(
        "B000000004",
        "Garden Chair",
        query="chairs",
        product_category="Patio › Chairs",
        pricing="$1,250.50",
    ),
    product("B000000005", "Cotton Shirt", category="fashion", query="shirts"),
    product("B000000006", "Kettle for Tea", query="kettles"),
]
INSTRUCTIONS = {
    "B000000001": {
        "attributes": ["dishwasher safe", "easy clean"],
        "instruction": "Find me dishwasher safe mugs",
        "instruction_attributes": ["dishwasher safe"],
    },
    "B000000002": {
        "attributes": ["easy clean"],
        "instruction": "Find me easy clean mugs",
        "instruction_attributes": ["easy clean", "dishwasher safe"],
    },
    "B000000004": {
        "attributes": ["heavy duty"],
        "instruction": "Find me heavy duty chairs",
        "instruction_attributes": ["heavy duty"],
    },
    "B000000005": {"attributes": []},
}
HUMAN = {
    "B000000001": [
        {
            "instruction": "i want a navy mug that i can put in the dishwasher.",
            "instruction_attributes": ["dishwasher safe"],
            "instruction_options": ["navy blue"],
        },
        {"instruction": "a mug", "instruction_attributes": [], "instruction_options": []},
    ],
    "B0UNKNOWN0": [
        {"instruction": "x", "instruction_attributes": ["y"], "instruction_options": []}
    ],
}

GOAL = {
    "asin": "B000000001",
    "instruction_text": "Find me mugs",
    "attributes": ["easy clean"],
    "goal_options": {"size": "small"},
    "price_upper": 50.0,
    "weight": 1,
}
"""A goal as it is recorded."""


class Files:
    """Writes files and loads catalogs of them."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, name: str, content: Any) -> Path:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def load(
        self, products: Any = PRODUCTS, instructions: Any = INSTRUCTIONS, **more: Any
    ) -> Catalog:
        return Catalog.load(
            self.write("items.json", products),
            self.write("instructions.json", instructions),
            cache=self.folder / "cache",
            **more,
        )


def goal_of(catalog: Catalog, asin: str, **wanted: str) -> int:
    return next(
        g.index for g in catalog.goals if g.asin == asin and (not wanted or g.options == wanted)
    )


def play(env: WebShopEnv, *actions: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
    assert actions
    for action in actions[:-1]:
        env.step(action)
    return env.step(actions[-1])
