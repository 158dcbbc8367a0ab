"""The environment's interface: Gymnasium's shape, bad input, copies."""

import copy
import pickle

import pytest
from gymnasium.utils.env_checker import check_env

from proxmo.envs.alfworld import AlfworldEnv, Game
from proxmo.envs.alfworld.generator.games import generate_games
from proxmo.envs.base import TextEnv
from proxmo.errors import InputError


def start(game: Game, **options) -> AlfworldEnv:
    env = AlfworldEnv(**options)
    env.reset(options={"game": game})
    return env


def play(env: AlfworldEnv, *commands: str) -> str:
    observation = ""
    for command in commands:
        observation, _, _, _, info = env.step(command)
        assert info["valid"], command
    return observation


# -- the rules, worked by hand ----------------------------------------------------


def test_the_introduction_lists_receptacles_downwards_and_names_the_task(kitchen: Game):
    observation, info = AlfworldEnv().reset(options={"game": kitchen})
    assert "a countertop 1, a drawer 2, a drawer 1, a fridge 1, a microwave 1, and a" in observation
    assert observation.endswith("Your task is to: warm an apple.")
    assert info["goal"] == "warm an apple."
    assert info["admissible_actions"] == sorted(info["admissible_actions"])


def test_look_lists_nothing_before_the_first_move(kitchen: Game):
    assert play(start(kitchen), "look").endswith("you see nothing.")


def test_a_closed_fridge_hides_what_it_holds(kitchen: Game):
    env = start(kitchen)
    assert play(env, "go to fridge 1").endswith("The fridge 1 is closed.")
    assert play(env, "open fridge 1").endswith("In it, you see a apple 1.")


def test_one_hand_holds_one_thing(kitchen: Game):
    env = start(kitchen)
    play(env, "go to fridge 1", "open fridge 1", "take apple 1 from fridge 1", "go to countertop 1")
    observation, _, _, _, info = env.step("take knife 1 from countertop 1")
    assert (observation, info["valid"]) == ("Nothing happens.", False)


def test_one_cannot_go_to_where_one_is(kitchen: Game):
    env = start(kitchen)
    play(env, "go to drawer 1")
    # Both drawers are reached from the same place.
    assert not {"go to drawer 1", "go to drawer 2"} & set(env.step("look")[4]["admissible_actions"])


def test_space_around_a_command_is_ignored_and_case_is_not(kitchen: Game):
    env = start(kitchen)
    assert env.step("GO TO FRIDGE 1")[4]["valid"] is False
    assert env.step(" go to  fridge 1")[4]["valid"] is False
    assert env.step("\n go to fridge 1\t")[4]["valid"] is True


# -- reward and end ---------------------------------------------------------------


def test_success_ends_the_episode_with_the_reward():
    (game,) = generate_games(0, 1)
    env = start(game, max_steps=1000, success_reward=3.0)
    *before, last = [env.step(command) for command in game.walkthrough]
    assert all((r, done, cut) == (0.0, False, False) for _, r, done, cut, _ in before)
    assert last[1:4] == (3.0, True, False)
    assert last[4]["success"]
    assert last[4]["task_type"] == game.task_type
    assert last[4]["game_id"] == game.game_id


def test_the_step_limit_truncates(kitchen: Game):
    env = start(kitchen, max_steps=2)
    assert env.step("look")[2:4] == (False, False)
    assert env.step("nonsense")[2:4] == (False, True)


def test_the_admissible_actions_belong_to_the_caller(kitchen: Game):
    _, info = AlfworldEnv().reset(options={"game": kitchen})
    expected = list(info["admissible_actions"])
    info["admissible_actions"].clear()
    assert AlfworldEnv().reset(options={"game": kitchen})[1]["admissible_actions"] == expected


def test_episodes_of_one_game_do_not_influence_each_other(kitchen: Game):
    first, second = start(kitchen), start(kitchen)
    play(first, "go to fridge 1", "open fridge 1", "take apple 1 from fridge 1")
    assert play(second, "go to fridge 1").endswith("The fridge 1 is closed.")


# -- Gymnasium --------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasium_accepts_the_environment():
    env = AlfworldEnv(games=generate_games(0, 3))
    assert isinstance(env, TextEnv)
    check_env(env, skip_render_check=True)


def test_a_seed_draws_the_same_game():
    env = AlfworldEnv(games=generate_games(0, 20))
    drawn = [env.reset(seed=seed)[1]["game_id"] for seed in (1, 2, 3, 1, 2, 3)]
    assert drawn[:3] == drawn[3:]
    assert len(set(drawn)) > 1


def test_reset_without_options_starts_the_last_game_again(kitchen: Game):
    env = start(kitchen)
    assert env.reset()[1]["game_id"] == "kitchen"


# -- copies -----------------------------------------------------------------------


def test_a_game_survives_pickling(kitchen: Game):
    kitchen.world  # noqa: B018 (compiled: the copy must do without)
    copied = pickle.loads(pickle.dumps(kitchen))
    assert copied.world.intro == kitchen.world.intro
    assert copied.game_id == "kitchen"


def through_pickle(env: AlfworldEnv) -> AlfworldEnv:
    return pickle.loads(pickle.dumps(env))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, through_pickle])
def test_a_copied_environment_goes_on_by_itself(kitchen: Game, duplicate):
    env = start(kitchen)
    play(env, "go to fridge 1")
    other = duplicate(env)
    assert play(other, "open fridge 1").endswith("In it, you see a apple 1.")
    assert play(env, "examine fridge 1") == "The fridge 1 is closed."
    assert play(env, "open fridge 1").endswith("In it, you see a apple 1.")


@pytest.mark.parametrize("duplicate", [copy.deepcopy, through_pickle])
def test_a_copy_made_at_any_moment_goes_on_exactly_as_the_original(duplicate):
    (game,) = generate_games(3, 1, ["pick_two_obj_and_place"])
    env = AlfworldEnv(max_steps=len(game.walkthrough) + 3)
    env.reset(options={"game": game})
    # Steps that change nothing, too, and the last two after a nonsense.
    commands = ["look", "inventory", *game.walkthrough[:-1], "nonsense", game.walkthrough[-1]]
    copies = []
    answer: tuple = ()
    for command in commands:
        copies.append(duplicate(env))
        answer = env.step(command)
        assert [each.step(command) for each in copies] == [answer] * len(copies)
    assert answer[2]


# -- bad input --------------------------------------------------------------------


def test_reset_without_a_game_is_refused():
    with pytest.raises(InputError, match="reset needs a game"):
        AlfworldEnv().reset()


def test_reset_with_something_else_than_a_game_is_refused():
    with pytest.raises(InputError, match="got str"):
        AlfworldEnv().reset(options={"game": "games/1"})


def test_step_before_reset_is_refused():
    with pytest.raises(InputError, match="has not begun"):
        AlfworldEnv().step("look")


def test_step_after_the_end_is_refused(kitchen: Game):
    env = start(kitchen, max_steps=1)
    env.step("look")
    with pytest.raises(InputError, match="has ended"):
        env.step("look")


def test_an_action_that_is_no_string_is_refused(kitchen: Game):
    with pytest.raises(InputError, match="an action is a str, got int"):
        start(kitchen).step(3)  # pyright: ignore[reportArgumentType]


def test_a_limit_below_one_step_is_refused():
    with pytest.raises(InputError, match="max_steps must be >= 1, got 0"):
        AlfworldEnv(max_steps=0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(:goal", "(:aim", "no (:goal ...) section"),
        ("(openable Fridge_bar_1)", "(openable Cellar)", "'cellar', which is not an object"),
        ("(openable Fridge_bar_1)", "(edible Fridge_bar_1)", "does not fit the domain"),
        ("(openable Fridge_bar_1)", "(openable Fridge_bar_1) stray", "cannot read the fact"),
        ("(isHot ?o)", "(burnt ?o)", "'burnt' is not declared"),
    ],
)
def test_a_damaged_problem_is_refused_by_name(kitchen: Game, old: str, new: str, message: str):
    damaged = Game.from_pddl(
        kitchen.domain, kitchen.problem.replace(old, new), kitchen.grammar, game_id="damaged"
    )
    with pytest.raises(InputError) as error:
        AlfworldEnv().reset(options={"game": damaged})
    assert "game 'damaged'" in str(error.value)
    assert message in str(error.value)
