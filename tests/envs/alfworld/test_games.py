"""Finding and reading games, in every form that `load_games` takes, and what it refuses."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from proxmo.envs import registry
from proxmo.envs.alfworld import Game, Games, load_games, replay
from proxmo.envs.alfworld.generator.games import GeneratedGame, generate_games, write_games
from proxmo.envs.alfworld.tasks import load_tasks
from proxmo.errors import InputError, ProxmoWarning


@pytest.fixture
def games() -> list[GeneratedGame]:
    return [*generate_games(0, 3), *generate_games(0, 2, split="valid_seen")]


@pytest.fixture
def folder(games: list[GeneratedGame], tmp_path: Path) -> Path:
    root = tmp_path / "json_2.1.1"
    write_games(games, root)
    return root


@pytest.fixture
def archive(folder: Path) -> Path:
    path = folder.parent / "games.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        tar.add(folder, folder.name)
    return path


def ids(games) -> list[str]:
    return sorted(game.game_id for game in games)


# -- forms ------------------------------------------------------------------------


def test_a_root_folder_holds_all_splits(folder: Path, games: list[GeneratedGame]):
    assert ids(load_games(folder)) == ids(games)
    assert ids(load_games(folder.parent)) == ids(games)
    assert ids(load_games(str(folder), "train")) == ids(games[:3])


def test_a_split_folder_holds_one_split(folder: Path, games: list[GeneratedGame]):
    assert ids(load_games(folder / "valid_seen")) == ids(games[3:])


def test_a_file_is_one_game(folder: Path, games: list[GeneratedGame]):
    (game,) = load_games(folder / games[0].game_id / "game.tw-pddl")
    assert (game.game_id, game.split) == (games[0].game_id, "train")
    assert game.task_type == games[0].task_type
    assert replay(game).success


def test_an_archive_holds_what_its_folder_holds(archive: Path, games: list[GeneratedGame]):
    loaded = load_games(archive)
    assert ids(loaded) == ids(games)
    assert sorted(g.task_type for g in loaded) == sorted(g.task_type for g in games)
    assert all(replay(game).success for game in loaded)


def test_generated_games_load_without_a_file(games: list[GeneratedGame]):
    assert ids(load_games(games)) == ids(games)
    assert ids(load_games(games, "train")) == ids(games[:3])


def test_games_come_in_order_of_their_ids_and_slice(folder: Path):
    games = load_games(folder)
    assert [g.game_id for g in games] == ids(games)
    assert isinstance(games[1:3], Games)
    assert [g.game_id for g in games[1:3]] == ids(games)[1:3]


def test_games_that_are_marked_unsolvable_are_left_out(folder: Path, games: list[GeneratedGame]):
    file = folder / games[0].game_id / "game.tw-pddl"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"solvable": False}), "utf-8")
    assert ids(load_games(folder)) == ids(games[1:])


@pytest.mark.parametrize("mark", [False, None, 0])
def test_the_mark_is_read_wherever_it_stands(folder: Path, games: list[GeneratedGame], mark):
    file = folder / games[0].game_id / "game.tw-pddl"
    content = json.loads(file.read_text("utf-8"))
    content.pop("solvable")
    long = {"walkthrough": ["look"] * 2000}
    file.write_text(json.dumps({"solvable": mark} | content | long), "utf-8")
    assert ids(load_games(folder)) == ids(games[1:])


def test_a_mark_of_something_else_is_not_the_games(folder: Path, games: list[GeneratedGame]):
    file = folder / games[0].game_id / "game.tw-pddl"
    content = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({"origin": {"solvable": False}} | content), "utf-8")
    assert ids(load_games(folder)) == ids(games)


@pytest.mark.parametrize("packed", [False, True])
def test_where_all_games_are_left_out_it_says_how_many_and_why(
    folder: Path, games: list[GeneratedGame], packed: bool
):
    for game in games[:2]:
        file = folder / game.game_id / "game.tw-pddl"
        content = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps(content | {"solvable": False}), "utf-8")
    for game in games[2:]:
        (folder / game.game_id).rename(folder / f"movable_{game.game_id.replace('/', '-')}")
    where = folder
    if packed:
        where = folder.parent / "games.tar.gz"
        with tarfile.open(where, "w:gz") as tar:
            tar.add(folder, folder.name)
    told = "3 in folders named for sliced or movable targets and 2 marked unsolvable"
    with pytest.raises(InputError, match=rf"no games to play in .*left out.*{told}"):
        load_games(where)


# -- bad input --------------------------------------------------------------------


def test_a_missing_path_says_how_to_get_the_games(tmp_path: Path):
    with pytest.raises(InputError, match=r"nothing at .*nowhere.*alfworld-download"):
        load_games(tmp_path / "nowhere")


def test_an_empty_folder_says_how_to_get_the_games(tmp_path: Path):
    with pytest.raises(InputError, match=r"no games \(game.tw-pddl\).*alfworld-download"):
        load_games(tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("not a game", "utf-8")
    with pytest.raises(InputError, match=r"notes\.txt is neither"):
        load_games(tmp_path / "notes.txt")


def test_a_truncated_archive_is_refused(archive: Path):
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"games\.tar\.xz"):
        load_games(archive)


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_an_archive_with_a_damaged_header_is_refused(
    folder: Path, tmp_path: Path, compression: str
):
    plain = tmp_path / "games.tar"
    with tarfile.open(plain, "w") as tar:
        tar.add(folder, folder.name)
    with tarfile.open(plain) as tar:
        offset = [member.offset for member in tar if member.isfile()][3]
    data = bytearray(plain.read_bytes())
    data[offset : offset + 8] = b"\xff" * 8
    opened = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    plain.write_bytes(opened[compression](bytes(data)))
    with pytest.raises(InputError, match="damaged behind its last readable member"):
        load_games(plain)


def test_a_damaged_compression_is_refused(archive: Path):
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 255
    archive.write_bytes(data)
    with pytest.raises(InputError, match="cannot read the archive"):
        load_games(archive)


def test_several_games_of_a_folder_have_names_of_their_own(
    tmp_path: Path, games: list[GeneratedGame]
):
    (tmp_path / "train").mkdir()
    for number, game in enumerate(games[:3]):
        (tmp_path / "train" / f"g{number}.tw-pddl").write_text(game.to_json(), "utf-8")
    assert ids(load_games(tmp_path)) == ["train/g0", "train/g1", "train/g2"]


def test_two_copies_of_the_data_are_refused(folder: Path):
    shutil.copytree(folder, folder.parent / "copy")
    with pytest.raises(InputError, match=r"two games in .* are called 'train/.*give the folder"):
        load_games(folder.parent)


def test_the_split_valid_is_that_of_the_data_if_it_has_one(folder: Path, tmp_path: Path):
    assert {game.split for game in load_games(folder, "valid")} == {"valid_seen"}
    write_games(generate_games(0, 2, split="valid"), tmp_path / "own")
    assert {game.split for game in load_games(tmp_path / "own", "valid")} == {"valid"}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({"pddl_problem": ""}, r"game .*no \(:objects"),
        ({"grammar": 7}, "is not an ALFWorld game.*text"),
        ({"walkthrough": [1]}, "is not an ALFWorld game.*text"),
    ],
)
def test_a_damaged_game_is_refused_by_name(folder: Path, damage: dict, told: str):
    file = next(folder.rglob("*.tw-pddl"))
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | damage), "utf-8")
    (game,) = load_games(file)
    with pytest.raises(InputError, match=told):
        _ = game.world


def test_a_truncated_game_file_is_refused_when_it_is_played(
    folder: Path, games: list[GeneratedGame]
):
    file = folder / games[0].game_id / "game.tw-pddl"
    file.write_bytes(file.read_bytes()[:5000])
    (game,) = load_games(file)
    with pytest.raises(InputError, match="is not an ALFWorld game"):
        _ = game.world


def test_a_game_file_without_a_problem_is_refused(tmp_path: Path):
    (tmp_path / "game.tw-pddl").write_text('{"pddl_domain": ""}', "utf-8")
    (game,) = load_games(tmp_path)
    with pytest.raises(InputError, match="pddl_problem"):
        _ = game.world


def test_a_split_that_is_not_there_is_refused_with_those_that_are(folder: Path):
    with pytest.raises(InputError, match=r"no games of split 'test'.*train, valid_seen"):
        load_games(folder, "test")


def test_a_domain_that_the_engine_does_not_know_is_refused():
    game = Game.from_pddl("(define (domain d) (:derived (p)))", "", "", game_id="odd")
    with pytest.raises(InputError, match=r"game 'odd'.*':derived' is not supported"):
        _ = game.world


# -- tasks ------------------------------------------------------------------------


def test_without_data_tasks_are_generated(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    spec = registry.get("alfworld")
    tasks = spec.load_tasks("train", seed=4, count=2)
    assert len(tasks) == 2
    assert [tasks[i].id for i in range(2)] == [game.game_id for game in generate_games(4, 2)]
    _, info = spec.make().reset(options=tasks[0].options)
    assert info["task_type"] == tasks[0].task_type


def test_the_environment_variable_names_the_games(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALFWORLD_DATA", str(folder))
    assert len(load_tasks("train")) == 3
    assert len(load_tasks("valid")) == 2
    assert len(load_tasks("train", count=1)) == 1


def test_a_variable_that_points_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALFWORLD_DATA", "/no/such/folder")
    told = r"\$ALFWORLD_DATA is '/no/such/folder': .*alfworld-download"
    with pytest.raises(InputError, match=told):
        registry.get("alfworld").load_tasks("train")
    with pytest.raises(InputError, match=r"\$ALFWORLD_DATA '/no/such/folder'.*alfworld-download"):
        load_tasks("train")


def test_a_path_that_points_nowhere_is_refused():
    with pytest.raises(InputError, match=r"the path '/no/such/folder'.*alfworld-download"):
        load_tasks("train", "/no/such/folder")


def test_an_official_split_needs_official_games(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    with pytest.raises(InputError, match="no generated games of split 'valid_unseen'"):
        load_tasks("valid_unseen")


def test_no_task_at_all_is_refused():
    with pytest.raises(InputError, match="count must be >= 1, got 0"):
        load_tasks("train", count=0)


def test_an_unknown_environment_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'alfworld'"):
        registry.get("alfword")


def test_a_name_is_registered_once():
    with pytest.raises(InputError, match="'alfworld' is registered already"):
        registry.register(registry.get("alfworld"))


@pytest.mark.parametrize("broken", ["pipe", "link", "huge"])
def test_what_is_no_file_of_a_game_is_refused_by_name_at_once(folder: Path, broken: str):
    path = folder / "train" / "odd.tw-pddl"
    if broken == "pipe":
        os.mkfifo(path)
    elif broken == "link":
        path.symlink_to(folder / "nowhere")
    else:
        with path.open("wb") as stream:
            stream.truncate(1 << 32)
    with pytest.raises(InputError, match=r"odd\.tw-pddl"):
        load_games(folder)


def test_a_pipe_in_the_place_of_the_games_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "game.tw-pddl")
    with pytest.raises(InputError, match="is neither a folder"):
        load_games(tmp_path / "game.tw-pddl")


@pytest.mark.parametrize("name", ["train/t/game.tw-pddl", "notes.txt"])
def test_an_archive_that_unpacks_without_end_is_refused_at_once(tmp_path: Path, name: str):
    path = tmp_path / "games.tar.gz"
    member = tarfile.TarInfo(name)
    member.size = 5_000_000_000
    # The header is read first: what it announces need not be there.
    path.write_bytes(gzip.compress(member.tobuf() + bytes(1 << 20)))
    with pytest.raises(InputError, match=r"games\.tar\.gz.*(more than any|far more than) game"):
        load_games(path)


def test_a_header_that_announces_gigabytes_of_itself_is_refused(tmp_path: Path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 5_000_000_000
    path = tmp_path / "games.tar"
    path.write_bytes(header.tobuf() + bytes(1 << 20))
    with pytest.raises(InputError, match="unpacks to far more"):
        load_games(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        b'{"pddl_domain": ' * 50_000,
        b"NaN",
        b'{"pddl_domain": ' + b"9" * 5_000 + b"}",
        b'{"pddl_domain": "", "pddl_problem": "", "grammar": "", "walkthrough": "look"}',
    ],
)
def test_a_file_of_other_things_is_refused_by_name(tmp_path: Path, content: bytes):
    (tmp_path / "odd.tw-pddl").write_bytes(content)
    (game,) = load_games(tmp_path)
    with pytest.raises(InputError, match=r"odd\.tw-pddl is not an ALFWorld game"):
        _ = game.world


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[]", b'{"task_type": [1]}', b"\xff"])
def test_a_task_type_that_cannot_be_read_is_unknown(
    tmp_path: Path, games: list[GeneratedGame], content: bytes
):
    (tmp_path / "game.tw-pddl").write_text(games[0].to_json(), "utf-8")
    (tmp_path / "traj_data.json").write_bytes(content)
    assert [game.task_type for game in load_games(tmp_path)] == ["unknown"]


def test_games_in_the_words_of_before_are_told(folder: Path):
    for file in folder.rglob("*.tw-pddl"):
        text = file.read_text("utf-8").replace("move {o} to {r}", "put {o} in/on {r}")
        file.write_text(text, "utf-8")
    with pytest.warns(ProxmoWarning, match="ALFWorld before 0.4"):
        load_tasks("train", str(folder))


def test_only_what_is_read_counts_as_the_data(folder: Path, games: list[GeneratedGame]):
    fingerprint = registry.get("alfworld").fingerprint
    before = fingerprint(str(folder))
    trial = folder / games[0].game_id
    (trial / "000.png").write_bytes(b"a picture")
    (trial / "traj_data.json").write_text("{}")  # the folder's name tells the type
    assert fingerprint(str(folder)) == before
    renamed = folder / "movable"
    renamed.mkdir()
    (renamed / "game.tw-pddl").write_text("{}")
    assert fingerprint(str(folder)) == before
    (trial / "game.tw-pddl").write_text(games[1].to_json(), "utf-8")
    assert fingerprint(str(folder)) != before
    assert fingerprint(str(trial)) != fingerprint(str(folder))
    assert fingerprint(str(trial / "game.tw-pddl")) == fingerprint(str(trial))
