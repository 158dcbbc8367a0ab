"""Finding games: in a file, a folder, an archive, or in memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

from proxmo.envs.alfworld.games.archive import games_in_archive
from proxmo.envs.alfworld.games.folder import game_in_file, games_in_folder
from proxmo.envs.alfworld.games.found import FoundGames
from proxmo.envs.alfworld.games.game import GAME_FILE, Game
from proxmo.errors import InputError

HOW_TO_GET = (
    "The official games come with ALFWorld's own downloader: `pip install alfworld`, then "
    "`alfworld-download`; they land in ~/.cache/alfworld unless $ALFWORLD_DATA names another "
    "folder. Set $ALFWORLD_DATA to where they are, or give the folder with --games"
)


class Games(Sequence[Game]):
    """Games in a fixed order (by id)."""

    def __init__(self, games: Iterable[Game]):
        self._games = tuple(games)

    def __len__(self) -> int:
        return len(self._games)

    @overload
    def __getitem__(self, index: int) -> Game: ...
    @overload
    def __getitem__(self, index: slice) -> Games: ...
    def __getitem__(self, index: int | slice) -> Game | Games:
        found = self._games[index]
        return Games(found) if isinstance(found, tuple) else found

    def __repr__(self) -> str:
        return f"Games({len(self)})"


def load_games(path: str | os.PathLike[str] | Iterable[Game], split: str | None = None) -> Games:
    """Games at `path`: one file, a folder (searched to any depth) or a `.tar` archive.

    Also takes games in memory, such as the generator's. `split` selects one of several.
    Games that ALFWorld itself leaves out are left out: those marked unsolvable, and those
    in folders named for sliced or movable targets. Files are found now and read when
    played; an archive is kept in memory, compressed.

    `split` "valid" is valid_seen where no split is called so.

    Raises `InputError` if there is nothing at `path`, no game to play (it then says what was left
    out), or none of `split`, and if two games would have the same id.
    """
    if isinstance(path, (str, os.PathLike)):
        where = Path(path).expanduser()
        searched = _find(where)
        found = sorted(searched.games, key=lambda game: game.game_id)
        name, left_out = str(where), searched.left_out()
    else:
        found, name, left_out = list(path), "the given games", ""
    if not found and left_out:
        raise InputError(f"no games to play in {name} ({left_out})")
    if not found:
        raise InputError(f"no games ({GAME_FILE}) in {name}. {HOW_TO_GET}")
    [(game_id, times)] = Counter(game.game_id for game in found).most_common(1)
    if times > 1:
        raise InputError(
            f"two games in {name} are called {game_id!r}, as in two copies of the data; give the "
            "folder or archive of one"
        )
    if split is None:
        return Games(found)
    if split == "valid" and all(game.split != "valid" for game in found):
        split = "valid_seen"
    chosen = [game for game in found if game.split == split]
    if not chosen:
        splits = ", ".join(sorted({game.split for game in found if game.split})) or "none named"
        also = f"; {left_out}" if left_out else ""
        raise InputError(f"no games of split {split!r} in {name} (splits there: {splits}{also})")
    return Games(chosen)


def _find(where: Path) -> FoundGames:
    if where.is_dir():
        return games_in_folder(where.resolve())
    if where.is_file() and where.suffix == ".tw-pddl":
        return FoundGames([game_in_file(where.resolve(), 1)])
    if where.is_file():
        return games_in_archive(where)
    if where.exists():
        raise InputError(f"{where} is neither a folder, a {GAME_FILE} nor a tar archive")
    raise InputError(f"there is nothing at {where}. {HOW_TO_GET}")
