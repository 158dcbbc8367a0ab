"""Games in files of their own."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

from proxmo.envs.alfworld.games.game import Game, Source, parse_source
from proxmo.envs.alfworld.games.paths import identify, is_left_out, task_type_of, told_task_type

_SOLVABLE = re.compile(rb'"solvable"\s*:\s*(true|false)')


def games_in_folder(root: Path) -> list[Game]:
    """The games at any depth below `root` that ALFWorld itself would play."""
    found = []
    for folder, _, files in os.walk(root):
        for file in files:
            if file.endswith(".tw-pddl"):
                path = Path(folder, file)
                below = len(path.parts) - len(root.parts)
                if not is_left_out(path.parts[-below:]) and _is_solvable(path):
                    found.append(game_in_file(path, below))
    return found


def _is_solvable(file: Path) -> bool:
    """Reads the end of the file only: there the mark is."""
    with file.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 8192))
        mark = _SOLVABLE.search(stream.read())
    return mark is None or mark[1] == b"true"


def game_in_file(file: Path, below: int) -> Game:
    """The game in `file`; its last `below` parts are its name where there is no split."""
    game_id, split = identify(file.parts, below)
    kind = task_type_of(file.parts)
    if kind is None:
        beside = file.with_name("traj_data.json")
        kind = told_task_type(beside.read_bytes()) if beside.is_file() else "unknown"
    return Game(game_id, kind, split, partial(_read, file))


def _read(file: Path) -> Source:
    return parse_source(file.read_bytes(), str(file))
