"""The ALFWorld expert: what it understands, how it searches, how often it succeeds."""

import random
import re
from functools import cache
from pathlib import Path

import pytest

from proxmo.envs.alfworld import AlfworldEnv, Game, Games, load_games
from proxmo.envs.alfworld.expert import HouseholdExpert, HouseholdTask, parse_task
from proxmo.envs.alfworld.generator.games import generate_games
from proxmo.errors import InputError

ARCHIVE = (
    Path(__file__).resolve().parents[4] / "shared" / "alfworld" / "train_and_valid_seen.tar.xz"
)

START = (
    "-= Welcome to TextWorld, ALFRED! =-\n\n"
    "You are in the middle of a room. Looking quickly around you, you see {receptacles}.\n\n"
    "Your task is to: {task}"
)
BATHROOM = "a cabinet 1, a countertop 1, a garbagecan 1, a sinkbasin 1, and a toilet 1"
KITCHEN = "a countertop 1, a fridge 1, a microwave 1, and a sinkbasin 1"
ALWAYS = ["help", "inventory", "look"]


def go_to_all(receptacles: str) -> list[str]:
    names = receptacles.replace("and ", "").split(", ")
    return ["go to " + name.removeprefix("a ") for name in names] + ALWAYS


def started(task: str, receptacles: str, seed: int | None = None) -> HouseholdExpert:
    expert = HouseholdExpert(seed)
    expert.reset(START.format(receptacles=receptacles, task=task))
    return expert


def play(game: Game, expert: HouseholdExpert, max_steps: int = 150) -> tuple[list[str], bool]:
    """The expert's commands, and whether they succeeded."""
    env = AlfworldEnv(max_steps=max_steps)
    observation, info = env.reset(options={"game": game})
    expert.reset(observation)
    actions, over = [], False
    while not over:
        actions.append(expert.act(observation, info["admissible_actions"]))
        observation, _, terminated, truncated, info = env.step(actions[-1])
        assert info["valid"], (game.game_id, actions[-1])
        over = terminated or truncated
    return actions, info["success"]


def lengths(games) -> list[float]:
    """Steps to success in each game; infinite where 150 were not enough."""
    played = [play(game, HouseholdExpert()) for game in games]
    return [len(actions) if success else float("inf") for actions, success in played]


def share(steps: list[float], limit: int) -> float:
    return sum(n <= limit for n in steps) / len(steps)


@pytest.mark.parametrize(
    ("sentence", "task"),
    [
        ("put a mug in desk.", HouseholdTask("mug", "desk")),
        ("put some toiletpaper on toilet.", HouseholdTask("toiletpaper", "toilet")),
        ("look at cd under the desklamp.", HouseholdTask("cd", lamp="desklamp")),
        ("examine the pen with the desklamp.", HouseholdTask("pen", lamp="desklamp")),
        ("put a clean pan in fridge.", HouseholdTask("pan", "fridge", treatment="clean")),
        (
            "clean some soapbar and put it in cabinet.",
            HouseholdTask("soapbar", "cabinet", "", "clean"),
        ),
        ("put a hot egg in fridge.", HouseholdTask("egg", "fridge", treatment="heat")),
        ("heat some egg and put it in fridge.", HouseholdTask("egg", "fridge", treatment="heat")),
        ("put a cool cup in microwave.", HouseholdTask("cup", "microwave", treatment="cool")),
        (
            "cool some cup and put it in microwave.",
            HouseholdTask("cup", "microwave", treatment="cool"),
        ),
        ("put two cd in safe.", HouseholdTask("cd", "safe", instances=2)),
        ("find two cd and put them in safe.", HouseholdTask("cd", "safe", instances=2)),
    ],
)
def test_every_official_goal_sentence_is_understood(sentence, task):
    assert parse_task(sentence) == task


def test_a_human_goal_phrasing_is_refused_by_name():
    with pytest.raises(InputError, match="chill the tomato"):
        parse_task("chill the tomato, then leave it by the sink")


def test_an_observation_that_starts_no_game_is_refused():
    with pytest.raises(InputError, match="first observation"):
        HouseholdExpert().reset("You arrive at desk 1.")


def test_acting_before_reset_is_refused():
    with pytest.raises(InputError, match="reset"):
        HouseholdExpert().act("You arrive at desk 1.", ALWAYS)


def test_it_searches_the_likeliest_place_first_and_takes_what_it_sees():
    expert = started("put some toiletpaper on toilet.", BATHROOM)
    # Of these places the countertop holds most toilet paper; the toilet is where it goes.
    assert expert.act("", go_to_all(BATHROOM)) == "go to countertop 1"
    take = "take toiletpaper 2 from countertop 1"
    seen = "You arrive at countertop 1. On the countertop 1, you see a toiletpaper 2."
    at_hand = ["examine countertop 1", *go_to_all(BATHROOM)]
    assert expert.act(seen, [*at_hand, take]) == take


def test_it_does_not_look_where_the_object_is_to_be_treated():
    expert = started("put a cool egg in microwave.", KITCHEN)
    assert expert.act("", go_to_all(KITCHEN)) != "go to fridge 1"


def test_it_remembers_what_it_saw_on_the_way():
    expert = started("put two toiletpaper in cabinet.", BATHROOM)
    everywhere = go_to_all(BATHROOM)
    at_counter = ["examine countertop 1", *everywhere]
    takes = [f"take toiletpaper {n} from countertop 1" for n in (1, 2)]
    expert.act("", everywhere)
    seen = "On the countertop 1, you see a toiletpaper 2, and a toiletpaper 1."
    assert expert.act(f"You arrive at countertop 1. {seen}", at_counter + takes) == takes[0]
    moved = "move toiletpaper 1 to countertop 1"
    taken = "You pick up the toiletpaper 1 from the countertop 1."
    assert expert.act(taken, [*at_counter, moved]) == "go to cabinet 1"
    closed = ["examine cabinet 1", "open cabinet 1", *everywhere]
    arrived = "You arrive at cabinet 1. The cabinet 1 is closed."
    assert expert.act(arrived, closed) == "open cabinet 1"
    into = "move toiletpaper 1 to cabinet 1"
    opened = "You open the cabinet 1. The cabinet 1 is open. In it, you see nothing."
    at_cabinet = ["examine cabinet 1", "close cabinet 1", *everywhere]
    assert expert.act(opened, [*at_cabinet, into]) == into
    placed = "You move the toiletpaper 1 to the cabinet 1."
    back = [*at_cabinet, "take toiletpaper 1 from cabinet 1"]
    assert expert.act(placed, back) == "go to countertop 1"


def test_it_never_chooses_what_is_not_admissible():
    expert = started("put some toiletpaper on toilet.", BATHROOM)
    assert expert.act("Nothing happens.", ["look"]) == "look"


def test_same_seed_same_actions_and_seeds_vary_the_search():
    games = generate_games(5, 20)
    fixed, again = ([play(game, HouseholdExpert(3))[0] for game in games] for _ in range(2))
    assert fixed == again
    assert fixed != [play(game, HouseholdExpert(4))[0] for game in games]


def test_it_goes_on_where_somebody_else_left_off():
    for game in generate_games(9, 60):
        env = AlfworldEnv(max_steps=150)
        observation, info = env.reset(options={"game": game})
        expert, somebody = HouseholdExpert(), random.Random(game.game_id)
        expert.reset(observation)
        over = False
        while not over:
            action = expert.act(observation, info["admissible_actions"])
            if somebody.random() < 0.3:
                action = somebody.choice(info["admissible_actions"])
            observation, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        assert info["success"], game.game_id


def test_it_puts_away_what_somebody_else_took():
    expert = started("put some toiletpaper on toilet.", BATHROOM)
    everywhere = go_to_all(BATHROOM)
    expert.act("", everywhere)
    taken = "You pick up the cloth 1 from the cabinet 1."
    in_reach = ["examine cabinet 1", *everywhere]
    move = "move cloth 1 to cabinet 1"
    assert expert.act(taken, [*in_reach, move]) == move
    elsewhere = ["examine toilet 1", *everywhere]
    assert expert.act("You arrive at toilet 1.", elsewhere) == "go to cabinet 1"


def in_old_words(game: Game) -> Game:
    """The game as ALFWorld before 0.4 wrote it."""
    grammar = game.grammar.replace("move {o} to {r}", "put {o} in/on {r}")
    grammar = grammar.replace(
        "You move the {o.name} to the {r.name}.", "You put the {o.name} in/on the {r.name}."
    )
    domain, help_, _ = game.domain.partition("(:action help")
    grammar, _, _ = grammar.partition("action help {")
    assert help_
    assert "move {" not in grammar
    return Game.from_pddl(f"{domain})", game.problem, grammar, game_id=game.game_id)


def test_it_plays_games_of_before_the_words_changed_as_it_plays_those_of_today():
    for game in generate_games(4, 12):
        old = in_old_words(game)
        actions, success = play(old, HouseholdExpert())
        assert success, game.game_id
        assert not any(action.startswith("move ") for action in actions)
        steps = [re.sub(r"^put (.*) in/on ", r"move \1 to ", action) for action in actions]
        assert steps == play(game, HouseholdExpert())[0]


def test_it_solves_generated_games():
    steps = lengths(generate_games(1, 150, split="valid"))
    assert share(steps, 50) >= 0.9
    assert share(steps, 150) >= 0.99


@pytest.mark.slow
def test_it_solves_2000_generated_games():
    steps = lengths(generate_games(2, 2000))
    assert share(steps, 50) >= 0.98
    assert share(steps, 150) >= 0.99


@cache
def official_games() -> Games:
    if not ARCHIVE.exists():
        pytest.skip(f"the official games are not at {ARCHIVE}")
    return load_games(ARCHIVE)


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "valid_seen"])
def test_it_solves_the_official_games(split):
    steps = lengths(game for game in official_games() if game.split == split)
    assert share(steps, 50) >= 0.9
    assert share(steps, 150) >= 0.99
