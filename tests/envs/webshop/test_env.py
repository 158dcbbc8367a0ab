"""Episodes: pages, clicks, purchases, and what the environment tells beside them."""

import copy
import pickle
import re
from typing import Any

import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shop import HUMAN, PRODUCTS, Files, options, product

from proxmo.envs.base import TextEnv
from proxmo.envs.registry import get
from proxmo.envs.webshop import Catalog, ShoppingGoal, WebShopEnv
from proxmo.envs.webshop.shop.session import parse_action
from proxmo.errors import InputError


def goal_of(catalog: Catalog, asin: str, **wanted: str) -> int:
    return next(
        g.index for g in catalog.goals if g.asin == asin and (not wanted or g.options == wanted)
    )


def play(env: WebShopEnv, *actions: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
    assert actions
    for action in actions[:-1]:
        env.step(action)
    return env.step(actions[-1])


@pytest.fixture
def env(catalog: Catalog) -> WebShopEnv:
    env = WebShopEnv(catalog)
    env.reset(options={"goal": goal_of(catalog, "B000000001", color="navy blue", size="small")})
    return env


def test_an_episode_from_search_to_purchase(env: WebShopEnv):
    observation, _, _, _, info = env.step("search[red mug]")
    assert "B000000001 [SEP] Red Stoneware Mug [SEP] $12.0" in observation
    assert "search[<your query>]" not in info["admissible_actions"]
    observation, _, _, _, info = env.step("click[b000000001]")
    assert "size [SEP] small [SEP] large | xl [SEP] color [SEP] red [SEP] navy blue" in observation
    assert info["available_actions"] == {
        "has_search_bar": False,
        "clickables": [
            "back to search", "< prev", "description", "features", "reviews", "buy now",
            "small", "large | xl", "red", "navy blue",
        ],
    }  # fmt: skip
    assert env.step("click[features]")[0].endswith(
        "< Prev [SEP] Dishwasher safe [SEP] Holds 12 ounces"
    )
    _, reward, terminated, truncated, info = play(
        env, "click[< prev]", "click[small]", "click[navy blue]", "click[buy now]"
    )
    assert (reward, terminated, truncated) == (10.0, True, False)
    assert info["success"] is True
    assert info["score"] == 1.0
    assert info["reward_parts"]["r_option"] == 1.0


def test_a_purchase_without_the_options_is_worth_half(env: WebShopEnv):
    _, reward, terminated, _, info = play(
        env, "search[red mug]", "click[b000000001]", "click[buy now]"
    )
    # One attribute and the price of four things: attribute, two options, price.
    assert (reward, terminated, info["score"], info["success"]) == (0.0, True, 0.5, False)
    assert info["reward_parts"]["r_option"] == 0


def test_the_reward_of_success_is_an_option(catalog: Catalog):
    env = WebShopEnv(catalog, success_reward=1.0)
    env.reset(options={"goal": goal_of(catalog, "B000000004")})
    assert play(env, "search[chair]", "click[b000000004]", "click[buy now]")[1] == 1.0


def test_a_purchase_that_is_nearly_right_is_worth_its_score_if_rewards_are_graded(catalog: Catalog):
    env = WebShopEnv(catalog, graded=True)
    env.reset(options={"goal": goal_of(catalog, "B000000001")})
    rewards = [env.step(action)[1] for action in ("search[red mug]", "click[b000000001]")]
    _, reward, terminated, _, info = env.step("click[buy now]")
    assert (rewards, reward, terminated) == ([0.0, 0.0], 5.0, True)
    assert (info["score"], info["success"]) == (0.5, False)


def test_a_bought_product_of_another_kind_is_worth_nothing(catalog: Catalog):
    env = WebShopEnv(catalog)
    env.reset(options={"goal": goal_of(catalog, "B000000004")})
    info = play(env, "search[mug]", "click[b000000003]", "click[buy now]")[4]
    assert info["reward_parts"]["r_type"] == 0.0
    assert info["score"] == 0.0


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


def test_the_episode_is_cut_off_after_max_steps(catalog: Catalog):
    env = WebShopEnv(catalog, max_steps=2)
    env.reset(options={"goal": 0})
    assert env.step("x")[2:4] == (False, False)
    assert env.step("x")[2:4] == (False, True)
    with pytest.raises(InputError, match="has ended"):
        env.step("x")


def test_search_words_that_look_like_an_address_are_taken_for_it(env: WebShopEnv):
    # The reference reads the kind of page from the address, which has the search words in it.
    play(env, "search[red search_results mug]", "click[b000000001]")
    assert "Page 0 (Total results" in env.step("click[< prev]")[0]


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


def test_a_goal_is_drawn_by_weight_where_none_is_named(catalog: Catalog):
    env = WebShopEnv(catalog)
    env.reset(seed=1)
    drawn = [env.reset()[1]["goal_id"] for _ in range(300)]
    weights = [goal.weight for goal in catalog.goals]
    for goal in catalog.goals:
        share = drawn.count(f"goal-{goal.index}") / len(drawn)
        assert share == pytest.approx(goal.weight / sum(weights), abs=0.1)


def test_info_has_what_every_environment_gives(env: WebShopEnv):
    assert isinstance(env, TextEnv)
    _, info = env.reset(options={"goal": 2})
    assert info["admissible_actions"] == ["search[<your query>]"]
    assert info["available_actions"] == {"has_search_bar": True, "clickables": ["search"]}
    assert (info["success"], info["valid"], info["score"]) == (False, True, 0.0)
    assert info["goal"].startswith("Find me")
    assert info["task_type"] == "garden"


def test_the_environment_keeps_to_gymnasiums_interface(catalog: Catalog):
    check_env(WebShopEnv(catalog), skip_render_check=True)


def test_a_copy_goes_on_by_itself(env: WebShopEnv):
    env.step("search[red mug]")
    for copied in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert copied.catalog is env.catalog
        assert copied.step("click[b000000001]")[4]["valid"]
    assert env.step("click[b000000001]")[4]["valid"]


def test_an_environment_copied_in_mid_episode_goes_on_exactly_as_the_original(env: WebShopEnv):
    play(env, "search[<r>]", "click[back to search]", "search[red mug]")
    rest = (
        "click[b000000001]",
        "click[small]",
        "search[<r>]",  # goes on with the same random numbers
        "nonsense",
        "search[red mug]",
        "click[b000000001]",
        "click[navy blue]",
        "click[description]",
        "click[< prev]",
        "click[small]",
        "click[buy now]",
    )
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    played = [[each.step(action) for action in rest] for each in (env, *copies)]
    assert played[0] == played[1] == played[2]
    assert played[0][-1][4]["score"] == 1.0


@pytest.mark.timeout(30)
def test_an_action_of_10_megabytes_is_read_like_any_other(env: WebShopEnv):
    before = env.step("search[mug]")[0]
    text = "ab [" * 2_500_000
    assert env.step(text)[0] == before
    assert env.step(f"click[{text}]")[0] == before


def test_a_registered_environment_takes_its_catalog_from_the_task(catalog: Catalog):
    env = get("webshop").make()
    assert getattr(env, "max_steps", None) == 15
    with pytest.raises(InputError, match="needs a catalog"):
        env.reset(options={"goal": 0})
    assert "Find me" in env.reset(options={"catalog": catalog, "goal": 0})[0]


@pytest.mark.parametrize("goal", [6, -1, 10**30])
def test_a_goal_out_of_range_is_refused(catalog: Catalog, goal: int):
    with pytest.raises(InputError, match="the catalog has 6, numbered from 0 to 5"):
        WebShopEnv(catalog).reset(options={"goal": goal})


def test_wrong_arguments_are_refused(catalog: Catalog):
    with pytest.raises(InputError, match="observation_mode must be"):
        WebShopEnv(catalog, "html")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="max_steps"):
        WebShopEnv(catalog, max_steps=0)
    env = WebShopEnv(catalog)
    with pytest.raises(InputError, match="has not begun"):
        env.step("x")
    with pytest.raises(InputError, match="a goal is its number, got str"):
        env.reset(options={"goal": "x"})
    env.reset(options={"goal": 0})
    with pytest.raises(InputError, match="an action is a str"):
        env.step(None)  # type: ignore[arg-type]


def test_human_goals_have_a_list_of_options(files: Files):
    catalog = files.load(human_instructions=files.write("human.json", HUMAN))
    (goal,) = catalog.goals
    assert isinstance(goal, ShoppingGoal)
    assert goal.instruction.startswith("i want a navy mug that i can put in the dishwasher, and")
    assert (goal.options, goal.weight) == (["navy blue"], 1.0)
    env = WebShopEnv(catalog)
    env.reset(options={"goal": 0})
    info = play(env, "search[mug]", "click[b000000001]", "click[navy blue]", "click[buy now]")[4]
    assert info["score"] == 1.0
