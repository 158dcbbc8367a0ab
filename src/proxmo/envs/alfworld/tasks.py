"""ALFWorld's tasks, as the rest of the system asks for them."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from proxmo.envs import fingerprint
from proxmo.envs.alfworld.games.folder import files_of_game, game_files
from proxmo.envs.alfworld.games.game import Game
from proxmo.envs.alfworld.games.load import HOW_TO_GET, load_games
from proxmo.envs.alfworld.games.paths import is_left_out
from proxmo.envs.alfworld.generator.games import generate_games, write_games
from proxmo.envs.base import Task
from proxmo.errors import InputError, ProxmoWarning

DEFAULT_COUNT = 1000
"""Games that the generator makes when nobody says how many."""


class GameTasks:
    """A `TaskSet` over games."""

    def __init__(self, games: Sequence[Game]):
        self.games = games

    def __len__(self) -> int:
        return len(self.games)

    def __getitem__(self, index: int) -> Task:
        game = self.games[index]
        return Task(game.game_id, game.task_type, {"game": game})


def load_tasks(
    split: str, path: str | None = None, seed: int = 0, count: int | None = None
) -> GameTasks:
    """Games of `split`: at `path`, else in `$ALFWORLD_DATA`, else generated from `seed`.

    With a path, `split` is one of those there (train, valid_seen, valid_unseen; "valid" is
    valid_seen in the official data) and `count` takes the first so many. Generated games have
    the splits "train" and "valid", which have no game in common; `count` says how many.
    """
    if count is not None and count < 1:
        raise InputError(f"count must be >= 1, got {count}")
    data = path or os.environ.get("ALFWORLD_DATA")
    if data:
        if not Path(data).expanduser().exists():
            source = "the path" if path else "$ALFWORLD_DATA"
            raise InputError(f"{source} {data!r} does not exist. {HOW_TO_GET}")
        games = load_games(data, split)[:count]
        _warn_of_old_words(games[0])
        return GameTasks(games)
    if split not in ("train", "valid"):
        raise InputError(
            f"there are no generated games of split {split!r}, only 'train' and 'valid'; "
            f"the official splits need the official games. {HOW_TO_GET}"
        )
    return GameTasks(load_games(generate_games(seed, count or DEFAULT_COUNT, split=split)))


def data_fingerprint(path: str) -> str:
    """A name for the contents of the files that `load_tasks` reads at `path`.

    The pictures and records that lie beside the official games are not read and do not count.
    """
    where = Path(path).expanduser()
    if where.is_dir():
        root = where.resolve()
        return fingerprint.of_named(
            {
                read.relative_to(root).as_posix(): read
                for file in game_files(root)
                if not is_left_out(file.relative_to(root).parts)
                for read in files_of_game(file)
            }
        )
    if where.suffix == ".tw-pddl":
        return fingerprint.of_named({file.name: file for file in files_of_game(where)})
    return fingerprint.of_files(where)


_OLD_WORDS = re.compile(r'template\s*::\s*"put ')


def _warn_of_old_words(game: Game) -> None:
    """Say what a policy will not know of games that speak as before ALFWorld 0.4."""
    try:
        old = _OLD_WORDS.search(game.grammar)
    except InputError:
        return  # damaged: said when it is played
    if old:
        warnings.warn(
            "these games are of ALFWorld before 0.4: they say 'put X in/on Y' instead of 'move X "
            "to Y'. The engine and the expert know both; a policy that was trained on other games, "
            "and the worked examples of prompting methods, know the new words only (--examples "
            "takes others)",
            ProxmoWarning,
            stacklevel=3,
        )


def write_tasks(folder: Path, split: str, seed: int, count: int) -> list[Path]:
    """Write generated games in the official layout, `folder/<split>/<task>/<trial>`."""
    return write_games(generate_games(seed, count, split=split), folder)
