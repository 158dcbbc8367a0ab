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
from itertools import pairwise

from proxmo.envs.webshop.expert.instruction import FILLERS, Wish, parse_instruction
from proxmo.envs.webshop.expert.judgement import KnownProduct, picks, worth
from proxmo.envs.webshop.expert.reading import SeenPage, options_on, page_texts, read_page
from proxmo.errors import InputError

STEPS = 15
"""Steps that it plans with (the episodes of the papers)."""
GOOD = 0.93
"""Expected score from which on it looks no further."""
DOUBTFUL = 0.97
"""Expected score below which it reads the features of a product that has no options."""
VARIETY = 0.02
"""With a seed, expected scores vary by up to this much: near ties fall differently."""


class ShoppingExpert:
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
        texts = page_texts(observation)
        if len(texts) < 3 or texts[0] != "WebShop":
            raise InputError(
                f"not the first observation of a WebShop episode: {observation[:80]!r}; "
                "reset the expert with what the environment's reset returned"
            )
        self._wish = parse_instruction(texts[2])
        self._known: dict[str, KnownProduct] = {}
        self._queries = self._formulate(self._wish)
        self._query = ""
        self._steps = 0
        self._number = 1
        self._action = ""
        self._choice: KnownProduct | None = None
        self._chosen: set[str] = set()
        self._at: KnownProduct | None = None

    def act(self, observation: str, admissible_actions: Sequence[str]) -> str:
        """The next action, given the last observation and what is admissible now.

        Raises `InputError` before the first `reset`.
        """
        if self._wish is None:
            raise InputError("the expert has no task; call reset(observation) before act()")
        clickable = {a[6:-1] for a in admissible_actions if a.startswith("click[")}
        texts = page_texts(observation)
        page = read_page(texts, clickable)
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
        core = " ".join(w for w in re.findall(r"[^\s,]+", wish.text) if w.lower() not in FILLERS)
        values = " ".join(value for _, value in wish.options)
        full = f"{core} {values}".strip() or "products"
        return [full, core or full]

    def _search(self, page: SeenPage, clickable: set[str]) -> str:
        if self._choice is not None:
            self._query = self._choice.query
        else:
            tried = {product.query for product in self._known.values()}
            self._query = next((q for q in self._queries if q not in tried), self._queries[0])
        self._chosen = set()
        return f"search[{self._query}]"

    def _results(self, page: SeenPage, clickable: set[str]) -> str:
        self._number, self._chosen, self._at = page.number, set(), None
        strange = page.number == 1 and not self._searched and not self._recognises(page)
        if strange:  # somebody else has searched, and not for this
            return self._search(page, clickable)
        shown = self._list(page, clickable)
        best = self._best(self._opened())
        closed = self._best(p for p in shown if p.options is None)
        if self._choice is None:
            promising = closed is not None and (
                best is None or worth(self._wished, closed) > worth(self._wished, best) + VARIETY
            )
            # Opening one more costs the way there and the way back.
            affordable = self._steps + 2 + (0 if best is None else self._way(best)) <= STEPS
            if promising and closed is not None and affordable:
                self._at = closed
                return f"click[{closed.name}]"
            more = "next >" in clickable and len(shown) == 10 and page.number < 3
            if best is None or worth(self._wished, best) < 0.6:
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

    def _item(self, page: SeenPage, clickable: set[str]) -> str:
        product = self._identify(page)
        title = next(i for i, text in enumerate(page.texts) if text.startswith("Price: ")) - 1
        if product is None:  # somebody else came here by a way unseen
            price = page.texts[title + 1].removeprefix("Price: ")
            product = KnownProduct("", page.texts[title], price, 1, 0, self._query)
            self._known[f"\n{product.title}"] = product
        self._at = product
        product.options = options_on(page.texts[:title], clickable)
        if self._choice is None:
            expected = worth(self._wished, product)
            rivals = [p for p in self._known.values() if p is not product]
            rival = max((worth(self._wished, p) for p in rivals), default=0.0)
            room = STEPS - self._steps - len(picks(self._wished, product)) - 1
            # Options tell products apart for nothing; without them the features have to.
            doubtful = not self._wished.options and rival - 0.1 < expected < DOUBTFUL
            if doubtful and "features" not in product.texts and room >= 4:
                return "click[features]"
            best = self._best(self._opened()) or product
            if expected >= GOOD or room < 2 or (expected > rival and best is product):
                self._choice = product
            elif self._steps + 1 + self._way(best) > STEPS:
                self._choice = best
        if self._choice is not product:
            return "click[< prev]"
        for value in picks(self._wished, product):
            if value not in self._chosen:
                self._chosen.add(value)
                return f"click[{value}]"
        return "click[buy now]"

    def _sub_page(self, page: SeenPage, clickable: set[str]) -> str:
        if self._at is not None:
            self._at.texts["features"] = " ".join(page.texts)
        return "click[< prev]"

    def _recognises(self, page: SeenPage) -> bool:
        """Whether a page of results has a product that is known."""
        return any(text.lower() in self._known for text in page.texts)

    def _list(self, page: SeenPage, clickable: set[str]) -> list[KnownProduct]:
        """The products on a page of results, remembered."""
        shown: list[KnownProduct] = []
        texts = page.texts
        starts = [i for i, text in enumerate(texts) if text.lower() in clickable]
        starts = [i for i in starts if texts[i] not in ("Next >", "< Prev", "Back to Search")]
        for rank, (start, end) in enumerate(pairwise([*starts, len(texts)])):
            name, between = texts[start].lower(), texts[start + 1 : end]
            if name not in self._known:
                noise = 0.0 if self._rng is None else self._rng.uniform(0, VARIETY)
                self._known[name] = KnownProduct(
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

    def _identify(self, page: SeenPage) -> KnownProduct | None:
        """The product on an item page, by its title."""
        if self._at is not None and self._at.title in page.texts:
            return self._at
        return next((p for p in self._known.values() if p.title in page.texts), None)

    def _opened(self) -> list[KnownProduct]:
        return [p for p in self._known.values() if p.options is not None]

    def _best(self, products: Iterable[KnownProduct]) -> KnownProduct | None:
        return max(products, key=lambda product: worth(self._wished, product), default=None)

    def _way(self, product: KnownProduct) -> int:
        """Steps from a page of results to the purchase of a product that was opened."""
        return 2 + len(picks(self._wished, product)) + abs(self._number - product.page)

    @property
    def _wished(self) -> Wish:
        assert self._wish is not None
        return self._wish
