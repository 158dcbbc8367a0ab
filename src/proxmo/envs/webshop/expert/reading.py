"""Pages as an agent sees them, taken apart again."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PAGE = re.compile(r"Page (\d+) \(Total results: (\d+)\)")
_BUTTON = re.compile(r"\s*\[(?:clicked )?button\] (.*) \[(?:clicked )?button_\]")


@dataclass(slots=True)
class SeenPage:
    """What is on the screen: `kind` is start, results, item, sub or end."""

    kind: str
    texts: list[str]
    number: int = 0


def page_texts(observation: str) -> list[str]:
    """The strings of a page, whichever mode shows them."""
    if " [SEP] " in observation:
        return observation.split(" [SEP] ")
    lines = observation.split("\n")
    plain = [line for line in lines if line and not line.startswith("You have clicked ")]
    return [found[1] if (found := _BUTTON.fullmatch(line)) else line.strip() for line in plain]


def read_page(texts: list[str], clickable: set[str]) -> SeenPage:
    """What is on the page that shows `texts`."""
    if texts[0] == "WebShop":
        return SeenPage("start", texts)
    rest = texts[2:]
    if found := next((m for text in rest[:2] if (m := _PAGE.fullmatch(text))), None):
        return SeenPage("results", rest, int(found[1]))
    if "buy now" in clickable:
        return SeenPage("item", rest)
    return SeenPage("sub", rest)


def options_on(texts: list[str], clickable: set[str]) -> list[tuple[str, list[str]]]:
    """Option names and values of an item page: names cannot be clicked."""
    options: list[tuple[str, list[str]]] = []
    for text in texts:
        if text in ("Back to Search", "< Prev"):
            continue
        if text in clickable and options:
            options[-1][1].append(text)
        elif text not in clickable:
            options.append((text, []))
    return options
