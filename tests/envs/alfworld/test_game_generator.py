"""The game generator: solvable, reproducible, in the official format, like the official games."""

import hashlib
import json
import os
import pickle
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import mean

import pytest

from proxmo import cli
from proxmo.envs import registry
from proxmo.envs.alfworld import load_games
from proxmo.envs.alfworld.engine.names import display_names
from proxmo.envs.alfworld.expert import parse_task
from proxmo.envs.alfworld.games.game import TASK_TYPES
from proxmo.envs.alfworld.games.replay import replay
from proxmo.envs.alfworld.generator.games import GeneratedGame, generate_games, write_games
from proxmo.envs.alfworld.generator.goal import TREATMENTS
from proxmo.envs.alfworld.generator.layout import furnish
from proxmo.envs.alfworld.generator.rooms import Counts, tables
from proxmo.errors import InputError, ProxmoError

ARCHIVE = (
    Path(__file__).resolve().parents[4] / "shared" / "alfworld" / "train_and_valid_seen.tar.xz"
)


def digest(games) -> str:
    return hashlib.sha256("\n".join(game.to_json() for game in games).encode()).hexdigest()


def check_walkthrough(game: GeneratedGame) -> None:
    """Every command is possible in its turn, and the last one and no earlier one wins."""
    played = replay(game)
    assert played.success, game.game_id
    assert not played.invalid, (game.game_id, played.invalid)
    assert len(played.observations) == len(game.walkthrough) + 1, game.game_id


def test_walkthroughs_solve_the_games_and_not_before_their_last_command():
    for game in generate_games(0, 150):
        check_walkthrough(game)


@pytest.mark.slow
def test_walkthroughs_solve_3000_games():
    for game in generate_games(1, 3000):
        check_walkthrough(game)


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_each_task_type_can_be_had_alone(task_type):
    games = generate_games(3, 5, [task_type])
    assert {game.task_type for game in games} == {task_type}
    for game in games:
        check_walkthrough(game)


def test_task_types_come_as_often_as_in_the_official_train_games():
    official = {  # of 3,553
        "pick_and_place_simple": 790,
        "look_at_obj_in_light": 308,
        "pick_clean_then_place_in_recep": 650,
        "pick_heat_then_place_in_recep": 459,
        "pick_cool_then_place_in_recep": 533,
        "pick_two_obj_and_place": 813,
    }
    counts = Counter(game.task_type for game in generate_games(0, 4000))
    for task_type, number in official.items():
        # Four standard deviations of a share near 0.2 over 4,000 draws: 0.025.
        assert counts[task_type] / 4000 == pytest.approx(number / 3553, abs=0.025)


def test_the_first_games_do_not_depend_on_how_many_follow():
    assert digest(generate_games(4, 12)[:5]) == digest(generate_games(4, 5))


def test_the_order_of_reading_does_not_matter():
    forwards, backwards = generate_games(4, 6), generate_games(4, 6)
    texts = [game.to_json() for game in reversed(backwards)]
    assert texts[::-1] == [game.to_json() for game in forwards]


def test_same_seed_same_bytes_in_processes_with_different_hash_seeds():
    code = (
        "import hashlib; from proxmo.envs.alfworld.generator.games import generate_games;"
        "games = generate_games(6, 20, split='valid');"
        "text = '\\n'.join(game.to_json() for game in games);"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("1", "77")
    }
    assert digests == {digest(generate_games(6, 20, split="valid"))}


def test_splits_and_seeds_have_no_game_in_common():
    streams = [
        generate_games(0, 200),
        generate_games(0, 200, split="valid"),
        generate_games(1, 200),
    ]
    problems = [{game.problem.partition("\n")[2] for game in games} for games in streams]
    assert len(set.union(*problems)) == 600
    assert len({game.game_id for games in streams for game in games}) == 600


def test_restricted_games_have_display_names_their_own():
    restricted = generate_games(0, 50, ["pick_two_obj_and_place"])
    assert not {g.game_id for g in restricted} & {g.game_id for g in generate_games(0, 50)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": -1}, "count must be >= 0, got -1"),
        ({"split": "../elsewhere"}, "split '../elsewhere'"),
        ({"split": ""}, "split ''"),
        ({"task_types": ["pick_three"]}, "'pick_three'"),
        ({"task_types": []}, "task types: none"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        generate_games(**{"seed": 0, "count": 1} | arguments)


def test_written_games_are_found_with_their_split_and_play_the_same(tmp_path):
    games = generate_games(2, 6, split="valid_seen")
    paths = write_games(games, tmp_path)
    assert all(path.name == "game.tw-pddl" for path in paths)
    found = load_games(tmp_path, "valid_seen")
    by_id = {game.game_id: game for game in games}
    assert {game.game_id for game in found} == set(by_id)
    for game in found:
        assert game.task_type == by_id[game.game_id].task_type
        assert replay(game).observations == replay(by_id[game.game_id]).observations


def test_traj_data_names_the_task_as_the_official_files_do(tmp_path):
    for path in write_games(generate_games(2, 12), tmp_path):
        data = json.loads((path.parent / "traj_data.json").read_text())
        task, thing, movable, place, scene = path.parent.parent.name.split("-")
        parameters = data["pddl_params"]
        assert data["task_type"] == task
        assert parameters["object_target"] == thing
        assert place == (parameters["parent_target"] or parameters["toggle_target"])
        assert movable == "None"
        assert data["scene"]["scene_num"] == int(scene)
        assert parse_task(data["turk_annotations"]["anns"][0]["task_desc"]).thing == thing.lower()


def test_games_survive_pickling():
    game = generate_games(0, 1)[0]
    assert pickle.loads(pickle.dumps(game)).to_json() == game.to_json()


def test_objects_are_where_the_table_has_seen_them():
    for game in generate_games(8, 100):
        usual = tables().rooms[game.goal.room].objects
        for thing in game.layout.things:
            if thing.inside is not None:
                assert thing.inside.type in usual[thing.type].places, game.game_id


def test_what_the_task_asks_for_does_not_start_where_it_is_to_go_or_to_be_treated():
    for game in generate_games(8, 300):
        goal = game.goal
        barred = TREATMENTS.get(goal.task_type, ("", goal.place))[1]
        wanted = [thing for thing in game.layout.things if thing.type == goal.thing]
        assert len(wanted) >= goal.instances
        assert all(t.inside is not None and t.inside.type != barred for t in wanted)


def test_no_location_holds_unrelated_furniture():
    # A location where a fridge and a bed are both in reach would give the game away.
    alone = {"Bed", "Bathtub", "Fridge", "Sofa", "Toilet", "ArmChair"}
    for game in generate_games(8, 100):
        at = Counter(receptacle.location for receptacle in game.layout.receptacles)
        for receptacle in game.layout.receptacles:
            assert receptacle.type not in alone or at[receptacle.location] == 1


def test_a_layout_depends_on_its_random_numbers_alone():
    goal = generate_games(0, 1)[0].goal
    assert furnish(random.Random(5), goal) == furnish(random.Random(5), goal)
    assert furnish(random.Random(5), goal) != furnish(random.Random(6), goal)


def test_names_count_down_in_the_order_of_identifiers():
    names = display_names(["Mug_bar_b", "Mug_bar_a", "Sink_bar_a_bar_SinkBasin", "Sink_bar_a"])
    assert names == {
        "Mug_bar_a": "mug 2",
        "Mug_bar_b": "mug 1",
        "Sink_bar_a": "sink 1",
        "Sink_bar_a_bar_SinkBasin": "sinkbasin 1",
    }


def test_counts_can_be_asked_for_a_least_number():
    counts = Counts((0, 1, 3), (5, 7, 10))
    assert counts.at_least(1) == Counts((1, 3), (2, 5))
    assert counts.at_least(4) == Counts((4,), (1,))


def features(game) -> tuple[float, ...]:
    """Receptacles, objects, possible commands at the start, walkthrough's length."""
    initial = game.problem[game.problem.index("(:init") : game.problem.index("(:goal")]
    return (
        initial.count("(receptacleType "),
        len(re.findall(r"\(objectType ", initial)),
        len(game.world.commands),
        len(game.walkthrough),
    )


@pytest.mark.slow
def test_rooms_and_plans_are_as_large_as_the_official_ones():
    if not ARCHIVE.exists():
        pytest.skip(f"the official games are not at {ARCHIVE}")
    official = [features(game) for game in load_games(ARCHIVE, "train")[::4]]
    ours = [features(game) for game in generate_games(0, 1000)]
    for theirs, mine in zip(zip(*official, strict=True), zip(*ours, strict=True), strict=True):
        assert mean(mine) == pytest.approx(mean(theirs), rel=0.1)


@pytest.mark.reference
def test_the_reference_engine_loads_and_agrees():
    from proxmo.envs.alfworld.reference import Reference, differences

    try:
        reference = Reference()
    except ProxmoError as error:
        pytest.skip(str(error))
    rng = random.Random(0)
    for game in generate_games(7, 6):
        assert differences(game, reference.record(game, rng, steps=20)) == []


def test_the_command_writes_what_the_environment_then_loads(tmp_path, capsys):
    assert cli.main(["generate", "--out", str(tmp_path), "--count", "3", "--seed", "2"]) == 0
    assert "3 tasks in 3 files" in capsys.readouterr().out
    tasks = registry.get("alfworld").load_tasks("train", str(tmp_path))
    assert {tasks[i].id for i in range(3)} == {game.game_id for game in generate_games(2, 3)}


def test_the_generators_games_are_those_of_its_version():
    # Other games for the same seed are other data: then its spec's generator_version is raised.
    assert registry.get("alfworld").generator_version == "1"
    assert digest(generate_games(0, 5) + generate_games(1, 2, split="valid")) == (
        "5256e674901173cf5247987e87cda50057ae4f18cc3d861e487cae4ddeeea8ff"
    )
