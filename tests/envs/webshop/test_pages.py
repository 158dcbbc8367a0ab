"""Pages as they are shown and clicked."""

import pytest
from shop import PRODUCTS, Files, options, play, product

from proxmo.envs.webshop import Catalog, WebShopEnv


def test_rich_observations_mark_what_was_chosen_and_visited(catalog: Catalog):
    env = WebShopEnv(catalog, "text_rich")
    env.reset(options={"goal": 0})
    play(env, "search[red mug]", "click[b000000001]", "click[small]")
    observation = env.step("click[red]")[0]
    assert observation.startswith("You have clicked red.\nYou have clicked small.\nInstruction:\n")
    assert (
        "  [clicked button] small [clicked button_]\n  [button] large | xl [button_]" in observation
    )
    assert "\n[clicked button] B000000001 [clicked button_]\n" in env.step("click[< prev]")[0]
    back = play(env, "click[back to search]", "search[red mug]")[0]
    assert "\n[button] B000000001 [button_]\n" in back


def test_options_with_odd_characters_can_be_read_and_chosen(files: Files):
    values = [
        '28" x 28"',
        "<b>&amp;</b>",
        "Été\u00a0",
        "a\\b",
        "  ",
        "",
        "é'\u2028",
        "buy now",
        "]x[",
    ]
    shop = [PRODUCTS[0] | {"customization_options": options(**{"A \"b\" 'c'": values})}]
    catalog = files.load(
        shop,
        {
            PRODUCTS[0]["asin"]: {
                "attributes": ["x"],
                "instruction": "find",
                "instruction_attributes": ["x"],
            }
        },
    )
    assert len(catalog.goals) == len(values)
    for mode in ("text", "text_rich"):
        env = WebShopEnv(catalog, mode, max_steps=50)
        env.reset(options={"goal": 0})
        info = play(env, "search[mug]", "click[b000000001]")[4]
        assert {'28" x 28"', "<b>&amp;< | b>"} <= set(info["available_actions"]["clickables"])
        for name in info["available_actions"]["clickables"][6:]:
            if name != "buy now":
                env.step(f"click[{name}]")
        assert env.step("click[buy now]")[2]


@pytest.mark.parametrize("asin", ["buy now", "Features", "next >", "search", "]"])
def test_identifiers_that_look_like_buttons_do_no_harm(files: Files, asin: str):
    entry = {"attributes": [], "instruction": "x", "instruction_attributes": ["y"]}
    env = WebShopEnv(files.load([product(asin, "mug")], {asin: entry}))
    env.reset(options={"goal": 0})
    for action in ("search[mug]", f"click[{asin}]", "click[< prev]", f"click[{asin.lower()}]"):
        assert isinstance(env.step(action)[0], str)
