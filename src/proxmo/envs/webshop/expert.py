"""An expert that shops from what an agent reads: it makes demonstrations.

It reads the instruction, the pages and the admissible actions, and nothing else. It searches
with the instruction's own words, opens what looks most promising by title, price and place in
the results, looks at the options, reads the features where there are no options to tell by,
and buys what it expects to be worth most: the same sum that WebShop's reward makes, with a
guess for what it cannot see (the numbers of the guess were chosen on the first 200 goals of a
generated and of the official catalog).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from rapidfuzz import fuzz

from proxmo.errors import InputError

STEPS = 15
"""Steps that it plans with (the episodes of the papers)."""
GOOD = 0.93
"""Expected score from which on it looks no further."""
DOUBTFUL = 0.97
"""Expected score below which it reads the features of a product that has no options."""
_LIKELY = {-1: 0.15, 0: 0.5, 1: 0.75, 2: 0.95}
"""Chance that a word of the task holds for a product though it was not read there, by the signs
that it is the product asked for. (A quarter of the official attributes stand in no text.)"""
HEADROOM = 40.0
"""Most dollars between a product's price and the price that its instruction names."""
UNKNOWN_OPTION = 0.6
"""Chance that an option can be had, before the product was opened."""
ALIKE = 85
"""Least token_set_ratio of an option and a value that count as the same (WebShop's)."""
RANK = 0.012
"""Expected score that a product loses for each place further down in the results."""
VARIETY = 0.02
"""With a seed, expected scores vary by up to this much: near ties fall differently."""

_PRICE = re.compile(r"\W*(?:and )?price (?:lower|less) than \$?([\d,.]+\d) dollars.*$")
_OPTIONS = re.compile(r"^(.*) with ([a-z][a-z ]*: .*)$")
_NEXT_OPTION = re.compile(r", and (?=[a-z][a-z ]*: )")
_PAGE = re.compile(r"Page (\d+) \(Total results: (\d+)\)")
_BUTTON = re.compile(r"\s*\[(?:clicked )?button\] (.*) \[(?:clicked )?button_\]")
_DOLLARS = re.compile(r"\$([\d,]+(?:\.\d+)?)")
_WORD = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?")
_FILLERS_TEXT = (
    "a an and any am are as at be buy by can choose find for from get have hello help i "
    "if im in is it its like list looking me my need of on or our pair please price "
    "products says set shop shopping show some that the them this to under want wants we "
    "which with would you your less than dollars lower also prefer item one s "
)
_FILLERS = frozenset(_FILLERS_TEXT.split())


@dataclass(frozen=True, slots=True)
class Wish:
    """What an instruction asks for."""

    text: str
    """Product and attributes, without options and price."""
    words: tuple[str, ...]
    """The words of `text` that say something."""
    options: tuple[tuple[str, str], ...]
    """(name, value), where the instruction names them so."""
    cap: float
    """Highest price; infinite if there is none."""


def parse_instruction(text: str) -> Wish:
    """Read an instruction: WebShop's synthetic ones exactly, a person's as a bag of words."""
    rest, cap = text.strip(), float("inf")
    if found := _PRICE.search(rest):
        rest, cap = rest[: found.start()], float(found[1].replace(",", ""))
    options: list[tuple[str, str]] = []
    if found := _OPTIONS.search(rest):
        rest = found[1]
        for pair in _NEXT_OPTION.split(found[2]):
            name, _, value = pair.partition(": ")
            options.append((name, value))
    words = tuple(dict.fromkeys(word for word in _words(rest) if word not in _FILLERS))
    return Wish(rest, words, tuple(options), cap)


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    """Lower-cased words, without the s of plurals and possessives."""
    plain = text.lower().replace("'s", "").replace("’s", "")
    return tuple(w[:-1] if len(w) > 3 and w.endswith("s") else w for w in _WORD.findall(plain))


@dataclass(slots=True)
class _Product:
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


@dataclass(slots=True)
class _Page:
    """What is on the screen: `kind` is start, results, item, sub or end."""

    kind: str
    texts: list[str]
    number: int = 0


class Expert:
    """Plays one episode at a time: `reset` with the first observation, then `act`.

    Reads both observation modes. The same observations and actions give the same choices; with
    a `seed`, near ties fall differently. It may be asked for its choice while somebody else
    acts: it goes on from whatever page it finds.
    """

    def __init__(self, seed: int | None = None):
        self._rng = None if seed is None else random.Random(seed)
        self._wish: Wish | None = None

    def reset(self, observation: str) -> None:
        """Start an episode from its first observation, which has the instruction.

        Raises `InputError` when it has none.
        """
        texts = _texts(observation)
        if len(texts) < 3 or texts[0] != "WebShop":
            raise InputError(
                f"not the first observation of a WebShop episode: {observation[:80]!r}; "
                "reset the expert with what the environment's reset returned"
            )
        self._wish = parse_instruction(texts[2])
        self._known: dict[str, _Product] = {}
        self._queries = self._formulate(self._wish)
        self._query = ""
        self._steps = 0
        self._number = 1
        self._action = ""
        self._choice: _Product | None = None
        self._chosen: set[str] = set()
        self._at: _Product | None = None

    def act(self, observation: str, admissible_actions: Sequence[str]) -> str:
        """The next action, given the last observation and what is admissible now.

        Raises `InputError` before the first `reset`.
        """
        if self._wish is None:
            raise InputError("the expert has no task; call reset(observation) before act()")
        clickable = {a[6:-1] for a in admissible_actions if a.startswith("click[")}
        texts = _texts(observation)
        page = _read(texts, clickable)
        self._steps += 1
        self._searched = self._action.startswith("search[")
        action = {
            "start": self._search,
            "results": self._results,
            "item": self._item,
            "sub": self._sub_page,
        }[page.kind](page, clickable)
        self._action = action
        if not action.startswith("click["):
            return action
        if action[6:-1] not in clickable:
            return f"click[{min(clickable)}]" if clickable else "search[ ]"
        # As the page writes it: who imitates this learns to copy, and need not translate.
        written = next((text for text in texts if text.lower() == action[6:-1]), action[6:-1])
        return f"click[{written}]"

    def _formulate(self, wish: Wish) -> list[str]:
        """Searches to try, best first."""
        core = " ".join(w for w in re.findall(r"[^\s,]+", wish.text) if w.lower() not in _FILLERS)
        values = " ".join(value for _, value in wish.options)
        full = f"{core} {values}".strip() or "products"
        return [full, core or full]

    def _search(self, page: _Page, clickable: set[str]) -> str:
        if self._choice is not None:
            self._query = self._choice.query
        else:
            tried = {product.query for product in self._known.values()}
            self._query = next((q for q in self._queries if q not in tried), self._queries[0])
        self._chosen = set()
        return f"search[{self._query}]"

    def _results(self, page: _Page, clickable: set[str]) -> str:
        self._number, self._chosen, self._at = page.number, set(), None
        strange = page.number == 1 and not self._searched and not self._recognises(page)
        if strange:  # somebody else has searched, and not for this
            return self._search(page, clickable)
        shown = self._list(page, clickable)
        best = self._best(self._opened())
        closed = self._best(p for p in shown if p.options is None)
        if self._choice is None:
            promising = closed is not None and (
                best is None or self._worth(closed) > self._worth(best) + VARIETY
            )
            # Opening one more costs the way there and the way back.
            affordable = self._steps + 2 + (0 if best is None else self._way(best)) <= STEPS
            if promising and closed is not None and affordable:
                self._at = closed
                return f"click[{closed.name}]"
            more = "next >" in clickable and len(shown) == 10 and page.number < 3
            if best is None or self._worth(best) < 0.6:
                cost = 4 + (0 if best is None else self._way(best))
                if more and self._steps + cost <= STEPS:
                    return "click[next >]"
            self._choice = best or closed
        choice = self._choice
        if choice is None:
            return "click[back to search]"
        if choice.name in clickable:
            self._at = choice
            return f"click[{choice.name}]"
        if choice.query != self._query or choice.page == page.number:
            return "click[back to search]"
        return f"click[{'< prev' if choice.page < page.number else 'next >'}]"

    def _item(self, page: _Page, clickable: set[str]) -> str:
        product = self._identify(page)
        title = next(i for i, text in enumerate(page.texts) if text.startswith("Price: ")) - 1
        if product is None:  # somebody else came here by a way unseen
            price = page.texts[title + 1].removeprefix("Price: ")
            product = _Product("", page.texts[title], price, 1, 0, self._query)
            self._known[f"\n{product.title}"] = product
        self._at = product
        product.options = _options(page.texts[:title], clickable)
        if self._choice is None:
            worth = self._worth(product)
            rivals = [p for p in self._known.values() if p is not product]
            rival = max((self._worth(p) for p in rivals), default=0.0)
            room = STEPS - self._steps - len(self._picks(product)) - 1
            # Options tell products apart for nothing; without them the features have to.
            doubtful = not self._wish_options() and rival - 0.1 < worth < DOUBTFUL
            if doubtful and "features" not in product.texts and room >= 4:
                return "click[features]"
            best = self._best(self._opened()) or product
            if worth >= GOOD or room < 2 or (worth > rival and best is product):
                self._choice = product
            elif self._steps + 1 + self._way(best) > STEPS:
                self._choice = best
        if self._choice is not product:
            return "click[< prev]"
        for value in self._picks(product):
            if value not in self._chosen:
                self._chosen.add(value)
                return f"click[{value}]"
        return "click[buy now]"

    def _sub_page(self, page: _Page, clickable: set[str]) -> str:
        if self._at is not None:
            self._at.texts["features"] = " ".join(page.texts)
        return "click[< prev]"

    def _recognises(self, page: _Page) -> bool:
        """Whether a page of results has a product that is known."""
        return any(text.lower() in self._known for text in page.texts)

    def _list(self, page: _Page, clickable: set[str]) -> list[_Product]:
        """The products on a page of results, remembered."""
        shown: list[_Product] = []
        texts = page.texts
        starts = [i for i, text in enumerate(texts) if text.lower() in clickable]
        starts = [i for i in starts if texts[i] not in ("Next >", "< Prev", "Back to Search")]
        for rank, (start, end) in enumerate(pairwise([*starts, len(texts)])):
            name, between = texts[start].lower(), texts[start + 1 : end]
            if name not in self._known:
                noise = 0.0 if self._rng is None else self._rng.uniform(0, VARIETY)
                self._known[name] = _Product(
                    name,
                    " ".join(between[:-1]),
                    between[-1] if between else "",
                    page.number,
                    10 * (page.number - 1) + rank,
                    self._query,
                    noise,
                )
            shown.append(self._known[name])
        return shown

    def _identify(self, page: _Page) -> _Product | None:
        """The product on an item page, by its title."""
        if self._at is not None and self._at.title in page.texts:
            return self._at
        return next((p for p in self._known.values() if p.title in page.texts), None)

    def _opened(self) -> list[_Product]:
        return [p for p in self._known.values() if p.options is not None]

    def _best(self, products: Iterable[_Product]) -> _Product | None:
        return max(products, key=self._worth, default=None)

    def _way(self, product: _Product) -> int:
        """Steps from a page of results to the purchase of a product that was opened."""
        return 2 + len(self._picks(product)) + abs(self._number - product.page)

    def _worth(self, product: _Product) -> float:
        """The score expected of buying a product, as far as it is known."""
        wish = self._wish
        assert wish is not None
        title = set(_words(product.title))
        read = title.union(*(_words(text) for text in product.texts.values()))
        for name, values in product.options or ():
            read.update(_words(f"{name} {' '.join(values)}"))
        guess = _LIKELY[self._agrees(product)]
        held = [1.0 if word in read else guess for word in wish.words]
        # Two words are an attribute, and two more name the product.
        weight = max(1.0, len(held) / 2 - 1)
        attributes = weight * (sum(held) / len(held) if held else 1.0)
        options = sum(self._available(product, name, value) for name, value in wish.options)
        price = _affordable(product.price, wish.cap)
        total = weight + len(wish.options) + 1
        score = (attributes + options + price) / total
        return score - RANK * product.rank + product.noise

    def _wish_options(self) -> bool:
        assert self._wish is not None
        return bool(self._wish.options)

    def _agrees(self, product: _Product) -> int:
        """Signs that this is the very product asked for: -1 against, 0, 1 or 2 for it.

        An instruction's price is up to forty dollars above the product's, and its options are
        values that the product has, letter by letter.
        """
        wish = self._wish
        assert wish is not None
        signs = 0
        if wish.cap != float("inf"):
            prices = _prices(product.price)
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

    def _available(self, product: _Product, name: str, value: str) -> float:
        if product.options is None:
            # Sellers often put the options into the title.
            said = set(_words(value)) <= set(_words(product.title))
            return 0.8 if said else UNKNOWN_OPTION
        pick = _pick(product.options, name, value)
        return 0.0 if pick is None else 1.0

    def _picks(self, product: _Product) -> list[str]:
        """The values to click, in the page's order."""
        wish = self._wish
        assert wish is not None
        options = product.options or []
        if wish.options:
            found = [_pick(options, name, value) for name, value in wish.options]
            return list(dict.fromkeys(value for value in found if value is not None))
        return [value for _, values in options if (value := _said(values, wish))]


def _texts(observation: str) -> list[str]:
    """The strings of a page, whichever mode shows them."""
    if " [SEP] " in observation:
        return observation.split(" [SEP] ")
    lines = observation.split("\n")
    plain = [line for line in lines if line and not line.startswith("You have clicked ")]
    return [found[1] if (found := _BUTTON.fullmatch(line)) else line.strip() for line in plain]


def _read(texts: list[str], clickable: set[str]) -> _Page:
    if texts[0] == "WebShop":
        return _Page("start", texts)
    rest = texts[2:]
    if found := next((m for text in rest[:2] if (m := _PAGE.fullmatch(text))), None):
        return _Page("results", rest, int(found[1]))
    if "buy now" in clickable:
        return _Page("item", rest)
    return _Page("sub", rest)


def _options(texts: list[str], clickable: set[str]) -> list[tuple[str, list[str]]]:
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


def _pick(options: list[tuple[str, list[str]]], name: str, value: str) -> str | None:
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
    return best[2] if best[0] > ALIKE else None


def _said(values: list[str], wish: Wish) -> str | None:
    """The value of an option that a person's instruction speaks of."""
    said = set(wish.words) | set(_words(wish.text))
    scored = [(len(words), value) for value in values if (words := set(_words(value))) <= said]
    return max(scored)[1] if scored else None


def _affordable(price: str, cap: float) -> float:
    """Chance that a price, or a price between two, is not above the cap."""
    numbers = _prices(price)
    if not numbers:
        return 1.0
    low, high = numbers[0], numbers[-1]
    if high <= cap:
        return 1.0
    return 0.0 if low > cap else (cap - low) / (high - low)


def _prices(price: str) -> list[float]:
    return [float(number.replace(",", "")) for number in _DOLLARS.findall(price)]
