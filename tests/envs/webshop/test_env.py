"""Episodes, and what the environment tells beside its pages."""

import copy
import pickle

import pytest
from gymnasium.utils.env_checker import check_env
from shop import play

from proxmo.envs.base import TextEnv
from proxmo.envs.registry import get
from proxmo.envs.webshop import Catalog, WebShopEnv
from proxmo.errors import InputError


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


def test_the_episode_is_cut_off_after_max_steps(catalog: Catalog):
    env = WebShopEnv(catalog, max_steps=2)
    env.reset(options={"goal": 0})
    assert env.step("x")[2:4] == (False, False)
    assert env.step("x")[2:4] == (False, True)
    with pytest.raises(InputError, match="has ended"):
        env.step("x")


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
