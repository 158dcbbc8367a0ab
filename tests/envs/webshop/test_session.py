"""A visit to the shop: what actions do."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shop import play

from proxmo.envs.webshop import Catalog, WebShopEnv
from proxmo.envs.webshop.shop.session import parse_action


@pytest.mark.parametrize(
    "action",
    ["", "buy", "click[]", "search[]", "click[nothing]", "click[search]", "Click[buy now]",
     "think[x]", "click[", "[x]", "search", "click[buy now", "\n", "search\n[x]", "]["],
)  # fmt: skip
def test_other_actions_change_nothing(env: WebShopEnv, action: str):
    before = env.step("search[mug]")
    after = env.step(action)
    assert after[0] == before[0]
    assert after[1:4] == (0.0, False, False)
    assert after[4] == before[4] | {"valid": False}


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    ["a " * 50_000, "a" * 100_000, "[" * 100_000, "x[" * 50_000, "[]" * 50_000, "_" * 100_000,
     "é" + "_" * 100_000, "é_" * 50_000, "1." * 50_000, "é\u200d" * 50_000, "\u200d" * 100_000],
    ids=lambda text: ascii(text[:3]),
)  # fmt: skip
def test_an_action_of_100_kilobytes_is_read_like_any_other(env: WebShopEnv, text: str):
    before = env.step("search[mug]")[0]
    assert env.step(text)[0] == before
    assert env.step(f"click[{text}]")[0] == before
    assert "Total results" in env.step(f"search[{text}]")[0]


@pytest.mark.timeout(30)
def test_an_action_of_10_megabytes_is_read_like_any_other(env: WebShopEnv):
    before = env.step("search[mug]")[0]
    text = "ab [" * 2_500_000
    assert env.step(text)[0] == before
    assert env.step(f"click[{text}]")[0] == before


@given(st.text(alphabet="ab[]\n", max_size=12))
@example("search[a]b]")
@settings(max_examples=500)
def test_actions_are_parsed_as_the_regular_expression_does(action: str):
    match = re.match(r"(.+)\[(.+)\]", action)
    assert parse_action(action) == (match.groups() if match else (action, None))


def test_search_works_on_any_page_and_forgets_the_options(env: WebShopEnv):
    play(env, "search[red mug]", "click[b000000001]", "click[small]", "search[tea]")
    info = play(env, "click[b000000001]", "click[buy now]")[4]
    assert info["reward_parts"]["r_option"] == 0


def test_previous_leads_from_details_to_the_product_to_the_results(env: WebShopEnv):
    results = env.step("search[red mug]")[0]
    item = env.step("click[b000000001]")[0]
    assert play(env, "click[description]", "click[< prev]")[0] == item
    assert env.step("click[< prev]")[0] == results


def test_next_leads_past_the_last_result_and_back(env: WebShopEnv):
    first = env.step("search[mug]")[0]
    assert "Page 2 (Total results: 3) [SEP] < Prev [SEP] Next >" in env.step("click[next >]")[0]
    assert env.step("click[< prev]")[0] == first


def test_special_searches_list_products_directly(env: WebShopEnv, catalog: Catalog):
    def found(query: str) -> list[str]:
        clickables = env.step(query)[4]["available_actions"]["clickables"]
        return [name for name in clickables if name.startswith("b0")]

    assert found("search[<a> easy clean]") == ["b000000001", "b000000002"]
    assert found("search[<c> fashion]") == ["b000000005"]
    assert found("search[<q> mugs]") == ["b000000001", "b000000002", "b000000003"]
    assert found("search[<a>]") == found("search[<c>]") == found("search[<q> no]") == []
    assert sorted(found("search[<r>]")) == sorted(p.asin.lower() for p in catalog.products)


def test_random_results_follow_the_seed(catalog: Catalog):
    env = WebShopEnv(catalog)
    first = [(env.reset(seed=3, options={"goal": 0}), env.step("search[<r>]"))[1] for _ in "ab"]
    assert first[0] == first[1]


def test_search_words_that_look_like_an_address_are_taken_for_it(env: WebShopEnv):
    # The reference reads the kind of page from the address, which has the search words in it.
    play(env, "search[red search_results mug]", "click[b000000001]")
    assert "Page 0 (Total results" in env.step("click[< prev]")[0]
