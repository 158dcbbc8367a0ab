"""What a purchase is worth."""

from shop import HUMAN, Files, goal_of, play

from proxmo.envs.webshop import Catalog, ShoppingGoal, WebShopEnv


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
