"""Rules and sentences as Python: names that meet, identity that is lost, limits of Python."""

import pickle
import re

import pytest

from proxmo.envs.alfworld import AlfworldEnv, Game
from proxmo.envs.alfworld.games.replay import replay
from proxmo.errors import InputError

WARM = [
    "go to countertop 1",
    "take apple 2 from countertop 1",
    "go to microwave 1",
    "heat apple 2 with microwave 1",
    "go to fridge 1",
    "open fridge 1",
    "move apple 2 to fridge 1",
]


def changed(game: Game, domain: str = "", problem: str = "", grammar: str = "") -> Game:
    return Game.from_pddl(
        domain or game.domain, problem or game.problem, grammar or game.grammar, game_id="changed"
    )


@pytest.mark.parametrize(("thing", "place"), [("?k0", "?k1"), ("?k1", "?k2"), ("?k3", "?k0")])
def test_a_goal_may_call_its_variables_as_it_likes(kitchen: Game, thing: str, place: str):
    start, goal = kitchen.problem.split("(:goal")
    goal = re.sub(r"\?o\b", thing, re.sub(r"\?r\b", place, goal))
    game = changed(kitchen, problem=f"{start}(:goal{goal}")
    assert not replay(game, WARM[:-1]).success
    assert replay(game, WARM).success


def test_an_action_may_call_its_parameters_as_it_likes(kitchen: Game):
    before, _, rest = kitchen.domain.partition("(:action examineReceptacle")
    action, _, after = rest.partition("(:action examineObject")
    for number in range(1, 60):
        renamed = action.replace("?r", f"?v{number}")
        domain = f"{before}(:action examineReceptacle{renamed}(:action examineObject{after}"
        grammar = kitchen.grammar.replace("examine {r}", f"examine {{v{number}}}")
        grammar = grammar.replace("#examineReceptacle.feedback#", "Done.")
        env = AlfworldEnv()
        env.reset(options={"game": changed(kitchen, domain, grammar=grammar)})
        admissible = env.step("go to fridge 1")[4]["admissible_actions"]
        assert "examine fridge 1" in admissible
        assert "examine microwave 1" not in admissible


def test_a_pickled_episode_still_tells_its_objects_apart(kitchen: Game):
    others = "[{p.name | inreceptacle(o:object, r:receptacle) & objecttype(p:object, t:otype)}]"
    game = changed(
        kitchen,
        grammar=kitchen.grammar.replace(
            "You are not carrying anything.", f"{others} #end#"
        ).replace(
            '"examineReceptacle.feedback"',
            '"end": [{"rhs": "."}],\n  "examineReceptacle.feedback"',
            1,
        ),
    )
    env = AlfworldEnv()
    env.reset(options={"game": game})
    copied = pickle.loads(pickle.dumps(env))
    told = env.step("inventory")[0]
    assert copied.step("inventory")[0] == told
    # Five objects lie somewhere and the pen twice; each is listed with the five others.
    assert told.count(",") + 1 == 6 * 5


def test_an_action_with_more_parameters_than_loops_may_nest_is_refused_by_name(kitchen: Game):
    many = " ".join(f"?p{n} - object" for n in range(25))
    domain = kitchen.domain.replace(
        "(:action help\n    :parameters (?a - agent)", f"(:action help\n    :parameters ({many})"
    )
    with pytest.raises(InputError, match="action 'help' has 25 parameters; at most 12"):
        changed(kitchen, domain.replace("(checked ?a))\n )\n)", "(checked ?p0))\n )\n)")).world  # noqa: B018


@pytest.mark.parametrize("depth", [150, 5_000])
def test_a_condition_nested_without_end_is_refused(kitchen: Game, depth: int):
    nested = "(and (pickupable ?o) (or " * depth + "(heatable ?o)" + "))" * depth
    start, _ = kitchen.problem.split("(:goal")
    with pytest.raises(InputError, match="game 'changed'"):
        changed(kitchen, problem=f"{start}(:goal (exists (?o - object) {nested})))").world  # noqa: B018
