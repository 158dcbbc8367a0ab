"""What a purchase is worth: WebShop's reward, and the parts that it is made of.

    score = r_type * (n_attributes + n_options + [price <= cap]) / (|attributes| + |options| + 1)

between 0 and 1; the task is accomplished when it is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rapidfuzz import fuzz
from rapidfuzz.utils import default_process

from proxmo.envs.webshop.catalog.goals import ShoppingGoal
from proxmo.envs.webshop.catalog.official import Product

_COLOR_NAMES = (
    "alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown "
    "burgundy camel camo caramel champagne charcoal cheetah chestnut chocolate christmas coffee "
    "cognac copper coral cranberry cream crystal dark denim eggplant elephant espresso fuchsia "
    "gold granite grape graphite grass gray green grey heather indigo ivory ivy khaki lavender "
    "lemon leopard light lilac lime magenta maroon mauve merlot midnight mint mocha multicolor "
    "mushroom mustard natural navy nude olive orange peach pewter pink plum purple rainbow red "
    "rose royal rust sand sapphire seashell silver skull slate steel stone stonewash sunflower "
    "tan taupe teal tiger turquoise violet walnut wheat white wine yellow"
)
_COLORS = tuple(_COLOR_NAMES.split())
"""Names that stand for an option that contains them, the first of them that does.

Source: princeton-nlp/WebShop (MIT), web_agent_site/engine/normalize.py.
"""
ALIKE = 85.5
"""Least ratio that counts as a match: rounded to a whole number it is more than 85."""
_LATIN_1 = dict.fromkeys(range(128, 256))
"""Characters that are left out of comparisons (thefuzz, with which the reward was written)."""

Reward = tuple[float, dict[str, float | bool]]


def reward(
    product: Product,
    price: float,
    options: Mapping[str, str],
    goal: ShoppingGoal,
    nouns: Callable[[str], Sequence[str]],
) -> Reward:
    """The score of buying `product` with the chosen `options`, and its parts.

    The parts: `r_type` with `query_match`, `category_match` and `title_score`; the share of
    the goal's attributes `r_att`, of its options `r_option` (absent if it has none), whether
    the price is within the cap `r_price`; and what each of these three weighs (`w_att`,
    `w_option`, `w_price`). `nouns` finds the nouns of a title.
    """
    parts = _kind(product, goal, nouns)
    attributes = _attributes(product, goal)
    chosen = _options(options, goal)
    affordable = price <= goal.price_upper
    total = len(goal.attributes) + len(goal.options) + 1
    score = (attributes + chosen + affordable) / total * parts["r_type"]
    parts["r_att"] = attributes / len(goal.attributes)
    parts["w_att"] = len(goal.attributes) / total
    if goal.options:
        parts["r_option"] = chosen / len(goal.options)
        parts["w_option"] = len(goal.options) / total
    parts["r_price"] = affordable
    parts["w_price"] = 1 / total
    return score, parts


def _kind(
    product: Product, goal: ShoppingGoal, nouns: Callable[[str], Sequence[str]]
) -> dict[str, float | bool]:
    """Whether a product is of the kind that is asked for: 1, 0.5, 0.1 or 0."""
    same_query = product.query == goal.query
    shared = _categories(product.product_category) & _categories(goal.product_category)
    wanted = nouns(goal.title)
    found = set(wanted) & set(nouns(product.title))
    title_score = len(found) / len(wanted) if wanted else 0.2
    kind = 1.0 if same_query or len(shared) >= 2 or title_score > 0.2 else 0.5
    if title_score < 0.1:
        kind = 0.1 if title_score > 0 else 0.0
    return {
        "r_type": kind,
        "query_match": same_query,
        "category_match": len(shared) >= 2,
        "title_score": title_score,
    }


def _categories(path: str) -> set[str]:
    return {name.strip() for name in path.split("›")}


def _attributes(product: Product, goal: ShoppingGoal) -> int:
    """How many of the goal's attributes the product has, by its list or by its texts."""
    listed = [_plain(attribute) for attribute in product.attributes]
    read = (product.title.lower(), " ".join(product.features).lower(), product.description.lower())
    return sum(
        _matches(_plain(attribute), listed) or any(attribute in text for text in read)
        for attribute in goal.attributes
    )


def _options(options: Mapping[str, str], goal: ShoppingGoal) -> int:
    """How many of the goal's options one of the chosen values matches."""
    # The pair itself, not its value, is what WebShop compares: the name of the option is part
    # of the text, and its colour is found only where the value is exactly a colour.
    wanted = goal.options.items() if isinstance(goal.options, dict) else goal.options
    chosen = [_plain(_color(value)) for value in options.values()]
    return sum(_matches(_plain(_color(option)), chosen) for option in wanted)


def _color(option: str | tuple[str, str]) -> str | tuple[str, str]:
    return next((color for color in _COLORS if color in option), option)


def _plain(text: Any) -> str:
    return default_process(str(text).translate(_LATIN_1))


def _matches(text: str, others: Sequence[str]) -> bool:
    return any(fuzz.token_set_ratio(other, text, score_cutoff=ALIKE) for other in others)
