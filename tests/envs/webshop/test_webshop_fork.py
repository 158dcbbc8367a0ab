"""A copy of a visit goes on from where it was, and neither changes the other."""

import random

from proxmo.envs.webshop.catalog.catalog import Catalog
from proxmo.envs.webshop.env import WebShopEnv


def test_copies_go_their_own_ways_from_every_step():
    catalog = Catalog.generate(seed=0, num_products=60)
    rng = random.Random(1)
    for goal in range(4):
        env, script = WebShopEnv(catalog, max_steps=40), []
        _, info = env.reset(seed=3, options={"goal": goal})
        for _ in range(10):
            asked = _choices(info)[:3]
            other, anew = env.fork(), WebShopEnv(catalog, max_steps=40)
            anew.reset(seed=3, options={"goal": goal})
            for action in script:
                anew.step(action)
            for action in asked:
                there = other.step(action)
                assert there == anew.step(action)
                if there[2]:
                    break
            action = rng.choice([a for a in _choices(info) if a != "click[buy now]"])
            script.append(action)
            *_, info = env.step(action)


def _choices(info):
    """Searches draw at random, too: `<r>` shows random products."""
    bar = ["search[<r>]", f"search[{info['goal']}]"] if info["has_search_bar"] else []
    return bar + [a for a in info["admissible_actions"] if a.startswith("click")]
