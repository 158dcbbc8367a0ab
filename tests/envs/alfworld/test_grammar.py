"""Reading sentences and rules: what is meant, and what would never end."""

import re
import time

import pytest

from proxmo.envs.alfworld import AlfworldEnv, Game
from proxmo.envs.alfworld.engine.grammar import Each, Literal, Symbol, Text, parse_parts
from proxmo.errors import InputError

QUERY = (Literal("at", (("r", "receptacle"),)),)


@pytest.mark.parametrize(
    ("text", "is_list"),
    [
        ("{#name# | at(r:receptacle)}", False),
        ("[{#name#|at(r:receptacle)}]", True),
        ("[{ #name# | at(r:receptacle) }]", True),
        ("[{\n#name#\n|\nat(r:receptacle)}]", True),
    ],
)
def test_one_thing_for_each_answer(text: str, is_list: bool):
    assert parse_parts(f"See {text}.") == (
        Text("See "),
        Each(Symbol("name"), QUERY, is_list),
        Text("."),
    )


@pytest.mark.parametrize("text", ["{}", "{a|}", "[{a}", "{a | b | c}", "{a", "[a]", "{a[0]}"])
def test_what_is_not_written_so_ends_the_sentence(text: str):
    assert parse_parts(f"See {text}") == (Text("See "),)


@pytest.mark.parametrize(
    "text",
    [
        "{" + " " * 100_000 + "o.name",
        "{o.name" + " " * 100_000 + "x",
        "[{o.name" + " " * 100_000 + "]",
        "{#" + " " * 100_000 + "|" + " " * 100_000,
        "{" * 50_000,
        "[" * 50_000,
        "#a#" * 100_000,
        "{a}" * 2_000,
    ],
)
def test_reading_takes_time_in_proportion_to_the_text(text: str):
    start = time.process_time()
    parse_parts(text)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "text", ["{" + " " * 4000 + "}", "{" + "a+" * 5000 + "a}", "{o name}", "{" + "(" * 900 + "}"]
)
def test_an_expression_that_is_none_is_refused(text: str):
    with pytest.raises(InputError, match="expression"):
        parse_parts(text)


@pytest.mark.parametrize(
    ("types", "named"), [("agent - agent", "'agent'"), ("a - b b - c c - a", "'a'")]
)
def test_a_type_that_is_its_own_ancestor_is_refused(kitchen: Game, types: str, named: str):
    domain = kitchen.domain.replace("(:types agent", f"(:types {types} agent")
    if "agent -" in types:
        domain = domain.replace("agent - agent agent", "agent - agent")
    game = Game.from_pddl(domain, kitchen.problem, kitchen.grammar, game_id="circle")
    with pytest.raises(InputError, match=f"game 'circle'.*type {named} is its own ancestor"):
        AlfworldEnv().reset(options={"game": game})


@pytest.mark.parametrize("damage", ["[" * 100_000, '{"intro": ' * 50_000, "7", '{"intro": 7}'])
def test_a_table_of_other_things_is_refused(kitchen: Game, damage: str):
    grammar = re.sub(
        r'grammar ::\s*""".*?"""',
        f'grammar :: """{damage}"""',
        kitchen.grammar,
        count=1,
        flags=re.S,
    )
    game = Game.from_pddl(kitchen.domain, kitchen.problem, grammar, game_id="odd")
    with pytest.raises(InputError, match="game 'odd': grammar: "):
        AlfworldEnv().reset(options={"game": game})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(:action look", "(:action"),
        ("(:action look", "(:action (look)"),
        (":parameters (?a - agent)", ":parameters ((?a) - agent)"),
        (":parameters (?a - agent)", ":parameters agent"),
        ("(:predicates", "(:predicates word ()"),
        ("(:types agent", "() (:types (agent)"),
        ("(:types agent", "word (:types agent"),
    ],
)
def test_rules_of_wrong_shapes_are_refused_by_name(kitchen: Game, old: str, new: str):
    assert old in kitchen.domain
    domain = kitchen.domain.replace(old, new)
    game = Game.from_pddl(domain, kitchen.problem, kitchen.grammar, game_id="odd")
    with pytest.raises(InputError, match="game 'odd'"):
        AlfworldEnv().reset(options={"game": game})


def in_time(game: Game, message: str, command: str = "") -> None:
    env = AlfworldEnv()

    def play() -> None:
        env.reset(options={"game": game})
        env.step(command)

    start = time.process_time()
    with pytest.raises(InputError, match=message):
        play()
    assert time.process_time() - start < 5


def with_rules(kitchen: Game, symbol: str, rhs: str, more: str = "") -> Game:
    grammar = kitchen.grammar.replace(
        f'"{symbol}": [', f'{more}"{symbol}": [{{"rhs": "{rhs}"}}, ', 1
    )
    assert grammar != kitchen.grammar
    return Game.from_pddl(kitchen.domain, kitchen.problem, grammar, game_id="odd")


@pytest.mark.parametrize("symbol", ["intro", "inventory.feedback"])
@pytest.mark.parametrize("leaf", ["haha", ""])
def test_productions_that_double_without_end_are_refused(kitchen: Game, symbol: str, leaf: str):
    rules = "".join(f'"x{i}": [{{"rhs": "#x{i + 1}##x{i + 1}#"}}], ' for i in range(40))
    game = with_rules(kitchen, symbol, "#x0#", rules + f'"x40": [{{"rhs": "{leaf}"}}], ')
    in_time(game, "game 'odd': grammar: #x.*# takes more than 100,000 productions")


@pytest.mark.parametrize("symbol", ["intro", "inventory.feedback"])
def test_a_text_without_end_is_refused(kitchen: Game, symbol: str):
    rules = "".join(f'"x{i}": [{{"rhs": "#x{i + 1}##x{i + 1}#"}}], ' for i in range(14))
    game = with_rules(kitchen, symbol, "#x0#", rules + f'"x14": [{{"rhs": "{"ha" * 50}"}}], ')
    in_time(game, "grammar: the text of #x0# is longer than 1,000,000", "inventory")


@pytest.mark.parametrize("symbol", ["intro", "inventory.feedback"])
@pytest.mark.parametrize("rules", ['"x": "#x#"', '"x": "#y#", "y": "#z#", "z": "a #x#"'])
def test_productions_that_name_themselves_are_refused(kitchen: Game, symbol: str, rules: str):
    rules = re.sub(r': ("[^"]*")', r': [{"rhs": \1}]', rules) + ", "
    in_time(with_rules(kitchen, symbol, "#x#", rules), "game 'odd': grammar: #x# -> .*names itself")


@pytest.mark.parametrize("symbol", ["intro", "inventory.feedback"])
def test_a_query_that_multiplies_without_end_is_refused(kitchen: Game, symbol: str):
    query = " & ".join(f"pickupable(o{i}:object)" for i in range(8))
    game = with_rules(kitchen, symbol, f"{{o0.name | {query}}}")
    apples = " ".join(f"apple{i}" for i in range(20))
    problem = game.problem.replace("(:objects", f"(:objects {apples} - object", 1)
    facts = " ".join(f"(pickupable apple{i})" for i in range(20))
    problem = problem.replace("(:init", f"(:init {facts}", 1)
    game = Game.from_pddl(game.domain, problem, game.grammar, game_id="odd")
    in_time(game, "grammar: the query .*more than 1,000,000 combinations", "inventory")


def test_an_action_whose_parameters_are_not_bound_is_refused(kitchen: Game):
    many = " ".join(f"?p{i} - object" for i in range(8))
    action = f"(:action x :parameters ({many}) :precondition (and) :effect (and (checked ?p0)))"
    domain = kitchen.domain.rstrip().removesuffix(")") + action + ")"
    grammar = kitchen.grammar + 'action x { template :: "x"; feedback :: "y"; }'
    game = Game.from_pddl(domain, kitchen.problem, grammar, game_id="odd")
    in_time(game, "game 'odd': PDDL action 'x' has more than 1,000,000 combinations")
