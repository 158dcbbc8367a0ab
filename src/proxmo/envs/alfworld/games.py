"""ALFWorld games: finding and reading them."""

from __future__ import annotations

import json
import lzma
import os
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, overload

from proxmo.envs.alfworld.engine import World
from proxmo.errors import InputError

TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
"""ALFWorld's six kinds of task, in its own order."""

SPLITS = ("train", "valid_seen", "valid_unseen", "valid_train", "valid")
GAME_FILE = "game.tw-pddl"
_SOLVABLE = re.compile(rb'"solvable"\s*:\s*(true|false)')

HOW_TO_GET = (
    "The official games come with ALFWorld's own downloader: `pip install alfworld`, then "
    "`alfworld-download`; they land in ~/.cache/alfworld unless $ALFWORLD_DATA names another "
    "folder. Set $ALFWORLD_DATA to where they are, or give the folder with --games"
)


@dataclass(frozen=True, slots=True)
class Source:
    """The texts that make up a game: what a `game.tw-pddl` holds."""

    domain: str
    """PDDL of the rules."""
    problem: str
    """PDDL of the room and the goal."""
    grammar: str
    """The sentences."""
    walkthrough: tuple[str, ...] = ()
    """Commands that solve it."""


class Game:
    """One game. Light until it is played: reading and compiling wait for `world`.

    Attributes:
        game_id: `split/task/trial` for the official layout.
        task_type: One of `TASK_TYPES`, or "unknown".
        split: "train", "valid_seen", ...; empty where the layout does not say.
    """

    __slots__ = ("_read", "_world", "game_id", "split", "task_type")

    def __init__(self, game_id: str, task_type: str, split: str, read: Callable[[], Source]):
        self.game_id, self.task_type, self.split = game_id, task_type, split
        self._read = read
        self._world: World | None = None

    @classmethod
    def from_pddl(
        cls,
        domain: str,
        problem: str,
        grammar: str,
        walkthrough: Sequence[str] = (),
        task_type: str = "unknown",
        game_id: str = "game",
        split: str = "",
    ) -> Game:
        """A game in memory, from the texts that a `game.tw-pddl` holds."""
        source = Source(domain, problem, grammar, tuple(walkthrough))
        return cls(game_id, task_type, split, partial(_same, source))

    @property
    def world(self) -> World:
        """The compiled game, kept once made. `InputError` names what the engine cannot do."""
        if self._world is None:
            source = self._read()
            try:
                self._world = World(source.domain, source.grammar, source.problem)
            except InputError as error:
                raise InputError(f"game {self.game_id!r}: {error}") from error
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                raise InputError(
                    f"game {self.game_id!r} is damaged ({type(error).__name__}: {error}); get "
                    "it anew, or leave it out"
                ) from error
        return self._world

    @property
    def domain(self) -> str:
        """PDDL text of the domain."""
        return self._read().domain

    @property
    def problem(self) -> str:
        """PDDL text of the problem."""
        return self._read().problem

    @property
    def grammar(self) -> str:
        """Text of the grammar."""
        return self._read().grammar

    @property
    def walkthrough(self) -> tuple[str, ...]:
        """Commands that solve the game; empty when it comes without."""
        return self._read().walkthrough

    def to_json(self) -> str:
        """The content of a `game.tw-pddl` file."""
        source = self._read()
        return json.dumps(
            {
                "pddl_domain": source.domain,
                "grammar": source.grammar,
                "pddl_problem": source.problem,
                "solvable": True,
                "walkthrough": list(source.walkthrough),
            }
        )

    def __getstate__(self) -> Any:
        # Without what was compiled: a copy reads the game again when it is played.
        state: Any = object.__getstate__(self)
        dictionary, slots = state
        return dictionary, slots | {"_world": None}

    def __repr__(self) -> str:
        return f"Game({self.game_id!r}, {self.task_type!r})"


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

    Raises `InputError` if there is nothing at `path`, no game, or none of `split`, and if two
    games would have the same id.
    """
    if isinstance(path, (str, os.PathLike)):
        where = Path(path).expanduser()
        found = _find(where)
        name = str(where)
    else:
        found = list(path)
        name = "the given games"
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
        raise InputError(f"no games of split {split!r} in {name} (splits there: {splits})")
    return Games(chosen)


def _find(where: Path) -> list[Game]:
    if where.is_dir():
        found = _in_folder(where.resolve())
    elif where.is_file() and where.suffix == ".tw-pddl":
        found = [_from_file(where.resolve(), 1)]
    elif where.is_file() and tarfile.is_tarfile(where):
        found = _in_archive(where)
    elif where.exists():
        raise InputError(f"{where} is neither a folder, a {GAME_FILE} nor a tar archive")
    else:
        raise InputError(f"there is nothing at {where}. {HOW_TO_GET}")
    return sorted(found, key=lambda game: game.game_id)


def _in_folder(root: Path) -> list[Game]:
    found = []
    for folder, _, files in os.walk(root):
        for file in files:
            if file.endswith(".tw-pddl"):
                path = Path(folder, file)
                below = len(path.parts) - len(root.parts)
                if not _is_left_out(path.parts[-below:]) and _is_solvable(path):
                    found.append(_from_file(path, below))
    return found


def _is_left_out(parts: Sequence[str]) -> bool:
    """ALFWorld's own loader skips folders so named."""
    return any("movable" in part or "Sliced" in part for part in parts[:-1])


def _is_solvable(file: Path) -> bool:
    """Reads the end of the file only: there the mark is."""
    with file.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 8192))
        mark = _SOLVABLE.search(stream.read())
    return mark is None or mark[1] == b"true"


def _from_file(file: Path, below: int) -> Game:
    """The game in `file`; its last `below` parts are its name where there is no split."""
    game_id, split = _identify(file.parts, below)
    kind = _task_type(file.parts)
    if kind is None:
        beside = file.with_name("traj_data.json")
        kind = _task_type_in(beside.read_bytes()) if beside.is_file() else "unknown"
    return Game(game_id, kind, split, partial(_read, file))


def _in_archive(archive: Path) -> list[Game]:
    packed: dict[str, bytes] = {}
    types: dict[str, str] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                official = _task_type(member.name.split("/"))
                wanted = name.endswith(".tw-pddl") or (name == "traj_data.json" and not official)
                if not member.isfile() or not wanted or _is_left_out(member.name.split("/")):
                    continue
                stream = tar.extractfile(member)
                assert stream is not None
                data = stream.read()
                if name == "traj_data.json":
                    types[folder] = _task_type_in(data)
                elif (mark := _SOLVABLE.search(data, max(0, len(data) - 8192))) is None or (
                    mark[1] == b"true"
                ):
                    packed[member.name] = zlib.compress(data, 1)
            _read_to_the_end(tar)
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"cannot read the archive {archive}: {error}") from error
    games = []
    for name, data in packed.items():
        parts = name.split("/")
        game_id, split = _identify(parts, len(parts))
        kind = _task_type(parts) or types.get(name.rpartition("/")[0], "unknown")
        games.append(Game(game_id, kind, split, partial(_unpack, data, f"{archive}:{name}")))
    return games


def _read_to_the_end(tar: tarfile.TarFile) -> None:
    """Refuse an archive that goes on after its last readable member.

    `tarfile` stops without a word at a header that it cannot read. Behind the true end there
    are zeros only; to have read them lets the compression check its sums.
    """
    stream: Any = tar.fileobj
    while block := stream.read(2**20):
        if block.strip(b"\0"):
            raise tarfile.ReadError("it is damaged behind its last readable member")


def _same(source: Source) -> Source:
    return source


def _read(file: Path) -> Source:
    return _parse(file.read_bytes(), str(file))


def _unpack(data: bytes, name: str) -> Source:
    return _parse(zlib.decompress(data), name)


def _identify(parts: Sequence[str], below: int) -> tuple[str, str]:
    """(game id, split) from the parts of a game file's path.

    A file that is not called as the official ones are gives its own name to the id: there may
    be several in a folder.
    """
    folders, file = parts[:-1], parts[-1]
    own = [] if file == GAME_FILE else [file.removesuffix(".tw-pddl")]
    for i in range(len(folders) - 1, -1, -1):
        if folders[i] in SPLITS:
            return "/".join([*folders[i:], *own]), folders[i]
    return "/".join([*folders[len(parts) - below :], *own]) or file, ""


def _task_type(parts: Sequence[str]) -> str | None:
    """The task type that an official folder's name starts with."""
    for part in reversed(parts[:-1]):
        kind = part.partition("-")[0]
        if kind in TASK_TYPES:
            return kind
    return None


def _task_type_in(data: bytes) -> str:
    try:
        return str(json.loads(data).get("task_type", "unknown"))
    except (ValueError, AttributeError):
        return "unknown"


def _parse(data: bytes, name: str) -> Source:
    try:
        game: dict[str, Any] = json.loads(data)
        texts = [game["pddl_domain"], game["pddl_problem"], game["grammar"]]
        walkthrough = list(game.get("walkthrough") or [])
        if not all(isinstance(text, str) for text in [*texts, *walkthrough]):
            raise TypeError("what should be text is not")
        return Source(*texts, walkthrough=tuple(walkthrough))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{name} is not an ALFWorld game: {error!r}") from error
