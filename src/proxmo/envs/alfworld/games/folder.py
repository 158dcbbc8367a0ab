"""Games in files of their own."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path

from proxmo.envs.alfworld.games.found import MOST_BYTES, FoundGames, is_solvable
from proxmo.envs.alfworld.games.game import Game, Source, parse_source
from proxmo.envs.alfworld.games.paths import identify, is_left_out, task_type_of, told_task_type
from proxmo.errors import InputError


def games_in_folder(root: Path) -> FoundGames:
    """The games at any depth below `root`.

    Raises `InputError` for a file or a folder that cannot be read.
    """
    found = FoundGames()
    for file in game_files(root):
        below = len(file.parts) - len(root.parts)
        if is_left_out(file.parts[-below:]):
            found.movable += 1
        elif not is_solvable(read_file(file)):
            found.unsolvable += 1
        else:
            found.games.append(game_in_file(file, below))
    return found


def game_files(root: Path) -> list[Path]:
    """All files of games below a folder."""
    return [
        Path(folder, file)
        for folder, _, files in os.walk(root, onerror=_refuse)
        for file in files
        if file.endswith(".tw-pddl")
    ]


def files_of_game(file: Path) -> list[Path]:
    """What is read of a game: its file, and the one beside it where no folder tells its type."""
    beside = file.with_name("traj_data.json")
    told = task_type_of(file.parts) is not None or not beside.is_file()
    return [file] if told else [file, beside]


def read_file(file: Path) -> bytes:
    """Contents of a file; `InputError` for what has none, or far too much for a game."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{file} is no file with contents; remove it from the games")
        if status.st_size > MOST_BYTES:
            raise InputError(
                f"{file} has {status.st_size:,} bytes, more than any game ({MOST_BYTES:,}); "
                "remove it from the games"
            )
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error


def _refuse(error: OSError) -> None:
    raise InputError(f"cannot read {error.filename}: {error.strerror}") from error


def game_in_file(file: Path, below: int) -> Game:
    """The game in `file`; its last `below` parts are its name where there is no split."""
    game_id, split = identify(file.parts, below)
    kind = task_type_of(file.parts)
    if kind is None:
        _, *beside = files_of_game(file)
        kind = told_task_type(read_file(beside[0])) if beside else "unknown"
    return Game(game_id, kind, split, partial(_read, file))


def _read(file: Path) -> Source:
    return parse_source(read_file(file), str(file))
