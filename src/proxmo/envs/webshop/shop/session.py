"""One visit to the shop: which page is open, and what an action makes of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence

import numpy as np

from proxmo.envs.webshop.catalog.catalog import SEARCH_RESULTS, Catalog
from proxmo.envs.webshop.catalog.goals import ShoppingGoal
from proxmo.envs.webshop.shop import pages
from proxmo.envs.webshop.shop.pages import PAGE_SIZE, ObservationMode, Page
from proxmo.envs.webshop.shop.reward import Reward, reward
from proxmo.text import clean

_SUB_PAGES = ("description", "features", "reviews", "attributes")
_REPLACED = "\ufffd"
_PAGE_NAMES = ("search_results", "item_page", "item_sub_page", "done")


def parse_action(action: str) -> tuple[str, str | None]:
    """ "click[x]" -> ("click", "x"); what does not have this form -> (action, None).

    What `re.match(r"(.+)\\[(.+)\\]", action)` finds, in linear time: text after the last "]"
    of the first line is ignored, and the last "[" before it with something between them parts
    the two.
    """
    line = action.split("\n", 1)[0]
    end = line.rfind("]")
    start = line.rfind("[", 1, max(end - 1, 0))
    return (action, None) if start < 0 else (line[:start], line[start + 1 : end])


class ShopSession:
    """A visit with one goal, from the search page to the purchase."""

    def __init__(self, catalog: Catalog, goal: ShoppingGoal, rng: np.random.Generator):
        self.catalog, self.goal = catalog, goal
        self.result: Reward | None = None
        """Score and parts of the purchase, once there is one."""
        self._rng = rng
        self._start()

    @property
    def over(self) -> bool:
        """Whether something was bought."""
        return self.result is not None

    @property
    def has_search_bar(self) -> bool:
        """Whether the page has a search bar; searching works on the others as well."""
        return self._page.has_search_bar

    @property
    def clickables(self) -> list[str]:
        """What can be clicked on the page."""
        return self._clickables

    def observation(self, mode: ObservationMode) -> str:
        """The page as the agent reads it."""
        if mode not in self._rendered:
            self._rendered[mode] = self._page.render(mode, self._visited, self._address)
        return self._rendered[mode]

    def act(self, action: str) -> bool:
        """Carry out an action; False if it is none that is possible, and nothing changes."""
        name, argument = parse_action(action)
        if argument is None:
            return False
        argument = argument.lower()
        if name == "search":
            self._search(argument.split(" "), 1)
            return True
        clicked = self._clickable(argument) if name == "click" else None
        if clicked is None or clicked == "search":
            return False
        self._click(clicked)
        return True

    def _clickable(self, name: str) -> str | None:
        """What is meant by a name: what is called so, else what an agent reads so.

        Agents are shown no broken characters, such as a title's cut emoji: see `clean`.
        """
        if name in self._clickables:
            return name
        if _REPLACED not in name:
            return None
        return next((each for each in self._clickables if clean(each) == name), None)

    def fork(self, rng: np.random.Generator) -> ShopSession:
        """A copy that goes on from here on its own, drawing from `rng`; both share the catalog."""
        other = copy.copy(self)
        other._rng = rng
        other._options, other._visited = dict(self._options), set(self._visited)
        other._rendered = dict(self._rendered)
        return other

    def _show(self, page: Page, address: str) -> None:
        self._page, self._address = page, address
        self._clickables = page.clickables()
        self._rendered: dict[ObservationMode, str] = {}

    def _start(self) -> None:
        self._keywords: list[str] = []
        self._number = 0  # page of the results
        self._product = -1
        self._options: dict[str, str] = {}
        self._visited: set[str] = set()
        self._show(pages.search_page(self.goal.instruction), "")

    def _search(self, keywords: list[str], number: int) -> None:
        self._keywords, self._number = keywords, number
        self._product, self._options = -1, {}
        found = self._found(keywords)
        shown = found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        products = [self.catalog.products[place] for place in shown]
        self._links = {
            product.asin.lower(): place for product, place in zip(products, shown, strict=True)
        }
        page = pages.results_page(self.goal.instruction, products, number, len(found))
        self._show(page, f"search_results/{'+'.join(keywords)}/{number}")

    def _found(self, keywords: list[str]) -> Sequence[int]:
        """The products that a search finds; four special words list products directly."""
        rest = " ".join(keywords[1:]).strip()
        if keywords[0] == "<r>":
            number = len(self.catalog.products)
            return self._rng.choice(number, min(SEARCH_RESULTS, number), replace=False).tolist()
        if keywords[0] == "<a>":
            return self.catalog.with_attribute(rest)
        if keywords[0] == "<c>":
            return self.catalog.with_category("".join(keywords[1:2]).strip())
        if keywords[0] == "<q>":
            return self.catalog.with_query(rest)
        return self.catalog.search(" ".join(keywords))

    def _click(self, name: str) -> None:
        """Follow a click as the reference does: first by name, then by what it is."""
        place, opened = self._place(), self._product >= 0
        if name == "buy now" and opened:
            self._buy()
        elif name == "back to search":
            self._start()
        elif name == "next >" and place == "search_results":
            self._search(self._keywords, self._number + 1)
        elif name == "< prev" and place == "search_results":
            self._search(self._keywords, self._number - 1)
        elif name == "< prev" and place == "item_page":
            self._search(self._keywords, self._number)
        elif name in _SUB_PAGES and opened:
            self._open_sub_page(name)
        else:
            self._choose(name)
            self._open_item()

    def _place(self) -> str:
        """The kind of page, as the reference reads it from its address.

        The address has the search words in it, so that a search for "item_page" makes a page
        be taken for another.
        """
        return next((name for name in _PAGE_NAMES if name in self._address), "")

    def _choose(self, name: str) -> None:
        """Take the product or the option that was clicked; "< prev" on a sub-page is neither."""
        if self._product < 0:
            self._product = self._links[name]
            self._visited.add(self.catalog.products[self._product].asin)
            return
        options = self.catalog.products[self._product].options
        if self._address.startswith("item_page"):
            for option in reversed(options):  # of options with the same value the last one
                if name in options[option]:
                    self._options[option] = name
                    return

    def _open_item(self) -> None:
        product = self.catalog.products[self._product]
        self._show(
            pages.item_page(self.goal.instruction, product),
            f"item_page/{product.asin}/{'+'.join(self._keywords)}/{self._number}/"
            f"{json.dumps(self._options)}",
        )

    def _open_sub_page(self, name: str) -> None:
        product = self.catalog.products[self._product]
        self._show(
            pages.sub_page(self.goal.instruction, product, name),
            f"item_sub_page/{product.asin}/{'+'.join(self._keywords)}/{self._number}/"
            f"{name.capitalize()}/{self._options}",
        )

    def _buy(self) -> None:
        place = self._product
        product = self.catalog.products[place]
        price = float(self.catalog.prices[place])
        self.result = reward(product, price, self._options, self.goal, self.catalog.nouns)
        self._show(pages.done_page(product.asin, self._options, self.result[0]), "done")
