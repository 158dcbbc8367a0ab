"""Games in a tar archive, kept in memory, compressed."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from functools import partial
from pathlib import Path
from typing import Any

from proxmo.envs.alfworld.games.folder import _SOLVABLE
from proxmo.envs.alfworld.games.game import Game, Source, parse_source
from proxmo.envs.alfworld.games.paths import identify, is_left_out, task_type_of, told_task_type
from proxmo.errors import InputError


def games_in_archive(archive: Path) -> list[Game]:
    """The games in `archive` that ALFWorld itself would play, in the archive's order.

    Raises `InputError` for an archive that cannot be read to its end.
    """
    packed: dict[str, bytes] = {}
    types: dict[str, str] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                official = task_type_of(member.name.split("/"))
                wanted = name.endswith(".tw-pddl") or (name == "traj_data.json" and not official)
                if not member.isfile() or not wanted or is_left_out(member.name.split("/")):
                    continue
                stream = tar.extractfile(member)
                assert stream is not None
                data = stream.read()
                if name == "traj_data.json":
                    types[folder] = told_task_type(data)
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
        game_id, split = identify(parts, len(parts))
        kind = task_type_of(parts) or types.get(name.rpartition("/")[0], "unknown")
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


def _unpack(data: bytes, name: str) -> Source:
    return parse_source(zlib.decompress(data), name)
