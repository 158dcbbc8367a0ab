"""The shop's pages as text: what is on each, and the two forms in which agents read them.

The reference renders HTML and takes the text out of it again; what remains of that here is
`_visible`, the rule by which spaces between tags come and go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from proxmo.envs.webshop.catalog.official import Product

ObservationMode = Literal["text", "text_rich"]
"""`text`: everything visible in one line; `text_rich`: a line each, with what can be clicked."""

Kind = Literal["text", "button", "option", "link"]
Piece = tuple[Kind, str]
PAGE_SIZE = 10
"""Products on a page of results."""

_BLANK = re.compile("[ \n\t\f\r]+")
_UNSAFE = {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "'": r"\u0027"}


@dataclass(frozen=True, slots=True)
class Page:
    """What is on a page, in reading order."""

    pieces: list[Piece]
    has_search_bar: bool = False

    def clickables(self) -> list[str]:
        """What can be clicked, in lower case: buttons, then products, then options."""
        buttons = [text.lower() for kind, text in self.pieces if kind == "button"]
        links = [text.lower() for kind, text in self.pieces if kind == "link"]
        options = [text for kind, text in self.pieces if kind == "option"]
        return list(dict.fromkeys([*buttons, *links, *options]))

    def render(self, mode: ObservationMode, visited: Collection[str], chosen_in: str) -> str:
        """The page as the agent reads it.

        `visited` are the products that were opened; an option counts as chosen if it stands
        in quotation marks in `chosen_in`, the page's address.
        """
        seen = [(kind, text) for kind, text in self.pieces if _visible(text)]
        if mode == "text":
            return " [SEP] ".join(text.strip() for _, text in seen)
        chosen: list[str] = []
        lines = []
        for kind, text in seen:
            if kind == "button":
                lines.append(f"[button] {text} [button_]\n")
            elif kind == "option" and f'"{text}"' in chosen_in:
                lines.append(f"  [clicked button] {text} [clicked button_]\n")
                chosen.append(f"You have clicked {text}.\n")
            elif kind == "option":
                lines.append(f"  [button] {text} [button_]\n")
            elif kind == "link":
                state = "clicked " if text in visited else ""
                lines.append(f"\n[{state}button] {text} [{state}button_]\n")
            else:
                lines.append(f"{text}\n")
        return "".join([*reversed(chosen), *lines])


def _visible(text: str) -> bool:
    """Whether a text survives the parser: blank ones do only if they have no line break."""
    return bool(text) and (_BLANK.fullmatch(text) is None or "\n" not in text)


def _texts(*texts: str) -> list[Piece]:
    return [("text", text) for text in texts]


def search_page(instruction: str) -> Page:
    """The start: the task and the search bar."""
    pieces = _texts("WebShop", "Instruction: ", instruction)
    return Page([*pieces, ("button", "Search")], has_search_bar=True)


def _heading(instruction: str) -> list[Piece]:
    return [*_texts("Instruction:", instruction), ("button", "Back to Search")]


def results_page(instruction: str, products: Iterable[Product], number: int, total: int) -> Page:
    """Page `number` of the `total` products that a search found."""
    pieces = [*_heading(instruction), *_texts(f"Page {number} (Total results: {total})")]
    if number > 1:
        pieces.append(("button", "< Prev"))
    pieces.append(("button", "Next >"))  # also where nothing follows
    for product in products:
        pieces += [("link", product.asin), *_texts(product.title, product.price_tag)]
    return Page(pieces)


def item_page(instruction: str, product: Product) -> Page:
    """A product: options, title, price and what leads further."""
    pieces = [*_heading(instruction), ("button", "< Prev")]
    for name, values in product.options.items():
        pieces += _texts(name)
        pieces += [("option", value) for value in values]
    pieces += _texts(product.title, f"Price: {product.price_tag}", "Rating: N.A.")
    for name in ("Description", "Features", "Reviews", "Buy Now"):
        pieces.append(("button", name))
    return Page(pieces)


def sub_page(instruction: str, product: Product, name: str) -> Page:
    """More about a product: `name` is description, features, reviews or attributes."""
    pieces: list[Piece] = [*_heading(instruction), ("button", "< Prev")]
    if name == "description":
        pieces += _texts(product.description)
    elif name == "features":
        pieces += _texts(*(f" {feature}" for feature in product.features))
    elif name == "attributes":
        pieces += _texts(*(f" {attribute}" for attribute in product.attributes))
        pieces += _texts(product.category, product.query, product.product_category)
    return Page(pieces)  # no product has a review


def done_page(asin: str, options: Mapping[str, str], score: float) -> Page:
    """The end, with the score."""
    listed = json.dumps(options, sort_keys=True)
    for character, escape in _UNSAFE.items():
        listed = listed.replace(character, escape)
    before: Sequence[str] = (
        "Thank you for shopping with us!", "Your code: ", "None",
        " (Paste it in your MTurk interface.)", "Purchased", "asin", asin, "options", listed,
        "attrs", "None", "category", "None", "query", "None", "product category", "None",
        "Target", "asin", "options", "attrs", "price upper", "instuction text", "category",
        "product category", "query", "Goal ", "None", "Reward",
        "Your score (min 0.0, max 1.0)", str(score), "Reward Details ", "None",
    )  # fmt: skip
    return Page(_texts(*before))
