"""What is written of a generated product: title, bullet points, description, instruction."""

from __future__ import annotations

from collections.abc import Sequence

from proxmo.envs.webshop.generator.assortment import Attribute, ProductType
from proxmo.envs.webshop.generator.draws import Draw, number, one, some

BULLETS = ((1, 0.10), (2, 0.12), (3, 0.17), (4, 0.26), (5, 0.83), (6, 0.89), (7, 1.0))
"""Number of bullet points, cumulative (official small set)."""
TITLE_LENGTHS = (20, 50, 62, 72, 86, 102, 117, 132, 147, 161, 177, 195)
"""Quantiles of the length of a title in characters, evenly spaced (official small set)."""
NO_DESCRIPTION = 0.28
"""Share of products without a description (official small set)."""
_OPENINGS = (
    "I am looking for {what}",
    "Please find {what}",
    "Shop for {what}",
    "I would like to buy {what}",
    "Get me {what}",
    "I want {what}",
    "Help me choose {what}",
    "My shopping list says {what}",
)


def title(
    draw: Draw,
    kind: ProductType,
    brand: str,
    noun: str,
    word: str,
    extra: str,
    told: list[tuple[Attribute, str]],
) -> str:
    """Brand, words and noun, then what sellers add until the title is as long as theirs."""
    place = draw() * (len(TITLE_LENGTHS) - 1)
    step = int(place)
    low, high = TITLE_LENGTHS[step : step + 2]
    length = low + (place - step) * (high - low)
    brand = brand.upper() if draw() < 0.35 else brand
    # A real title has its noun somewhere among the adjectives, and synonyms of it after commas.
    head = " ".join(filter(None, (brand, kind.audience, word, noun)))
    parted = [head]
    size = len(head)
    parts = [
        f"{'with ' * (attribute.kind == 'with')}{'for ' * (attribute.kind == 'for')}"
        f"{attribute.text.title()}"
        for attribute, places in told
        if "t" in places
    ]
    needed = len(parts)
    if size < length:
        last = noun.rsplit(" ", 1)[-1]
        fillers = [extra, *(f"{other} {last}" for other in kind.words if other != word)]
        fillers += [other for other in kind.extras if other != extra]
        parts += some(draw, fillers, len(fillers))
    for part in parts:
        if size >= length and len(parted) > needed:
            break
        parted.append(part)
        size += len(part) + 2
    return ", ".join(parted)


def bullets(
    draw: Draw, kind: ProductType, told: list[tuple[Attribute, str]], slots: dict[str, str]
) -> list[str]:
    """The bullet points: those that tell an attribute among those of its type."""
    count = number(draw, BULLETS)
    lines = [one(draw, attribute.bullets) for attribute, places in told if "b" in places]
    lines += some(draw, kind.bullets, count - len(lines)) if count > len(lines) else []
    return [line.format_map(slots) for line in some(draw, lines, len(lines))]


def description(
    draw: Draw, kind: ProductType, told: list[tuple[Attribute, str]], slots: dict[str, str]
) -> str:
    """Sentences on the product; nothing for some of those with no attribute to tell there."""
    lines = [one(draw, attribute.sentences) for attribute, places in told if "d" in places]
    if draw() >= NO_DESCRIPTION or lines:
        lines += some(draw, kind.sentences, 1 + int(draw() * 1.3 * len(kind.sentences)))
    return " ".join([line.format_map(slots) for line in lines])


def instruction(draw: Draw, query: str, attributes: Sequence[Attribute]) -> str:
    """A sentence that names the query and all attributes; options and price are added later."""
    by_kind = {
        kind: [attribute.text for attribute in attributes if attribute.kind == kind]
        for kind in ("is", "with", "for")
    }
    what = " ".join(filter(None, [", ".join(by_kind["is"]), query]))
    if by_kind["with"]:
        what += f" with {' and '.join(by_kind['with'])}"
    if by_kind["for"]:
        what += f" for {' and '.join(by_kind['for'])}"
    return one(draw, _OPENINGS).replace("{what}", what)
