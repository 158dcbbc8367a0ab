"""Games in a tar archive, kept in memory, compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

from proxmo.envs.alfworld.games.found import MOST_BYTES, FoundGames, is_solvable
from proxmo.envs.alfworld.games.game import GAME_FILE, Game, Source, parse_source
from proxmo.envs.alfworld.games.paths import identify, is_left_out, task_type_of, told_task_type
from proxmo.errors import InputError

_OPEN: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
    b"\x5d\x00\x00": lzma.LZMAFile,
}
"""How a compressed file begins -> what reads it."""

_MOST_UNPACKED = 200
"""Times its own size that an archive may unpack to; the official one has 49."""
_UNPACKED_AT_LEAST = 1 << 26
"""Bytes that any archive may unpack to."""


def games_in_archive(archive: Path) -> FoundGames:
    """The games in `archive`, in its order.

    Raises `InputError` for what is no archive, cannot be read to its end, or unpacks to much more
    than games do.
    """
    try:
        with _open(archive) as stream:
            bounded: Any = _Bounded(stream, archive)
            with _tar(bounded, archive) as tar:
                found, packed, types = _members(tar, archive)
                _read_to_the_end(tar)
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"cannot read the archive {archive}: {error}") from error
    for name, data in packed.items():
        parts = name.split("/")
        game_id, split = identify(parts, len(parts))
        kind = task_type_of(parts) or types.get(name.rpartition("/")[0], "unknown")
        read = partial(_unpack, data, f"{archive}:{name}")
        found.games.append(Game(game_id, kind, split, read))
    return found


def _members(
    tar: tarfile.TarFile, archive: Path
) -> tuple[FoundGames, dict[str, bytes], dict[str, str]]:
    """What is left out; member -> its game, compressed; folder -> type of its task."""
    found, packed, types = FoundGames(), {}, {}
    for member in tar:
        parts = member.name.split("/")
        is_game = parts[-1].endswith(".tw-pddl")
        tells = parts[-1] == "traj_data.json" and task_type_of(parts) is None
        if not member.isfile() or not (is_game or tells):
            continue
        if is_left_out(parts):
            found.movable += is_game
            continue
        if member.size > MOST_BYTES:
            raise InputError(
                f"cannot read the archive {archive}: {member.name} has {member.size:,} bytes, more "
                f"than any game ({MOST_BYTES:,})"
            )
        stream = tar.extractfile(member)
        assert stream is not None
        data = stream.read()
        if tells:
            types["/".join(parts[:-1])] = told_task_type(data)
        elif is_solvable(data):
            packed[member.name] = zlib.compress(data, 1)
        else:
            found.unsolvable += 1
    return found, packed, types


def _open(archive: Path) -> IO[bytes]:
    """The archive's contents, decompressed."""
    with archive.open("rb") as stream:
        start = stream.read(8)
    opened = [read for magic, read in _OPEN.items() if start.startswith(magic)]
    return opened[0](archive) if opened else archive.open("rb")


def _tar(stream: IO[bytes], archive: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=stream, mode="r:")
    except tarfile.ReadError:
        raise InputError(
            f"{archive} is neither a folder, a {GAME_FILE} nor a tar archive"
        ) from None


class _Bounded:
    """A stream that refuses to go on where no archive of games would."""

    def __init__(self, stream: IO[bytes], archive: Path) -> None:
        self._stream, self._archive = stream, archive
        self._limit = max(_UNPACKED_AT_LEAST, _MOST_UNPACKED * archive.stat().st_size)

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, position: int) -> int:
        self._check(position)
        return self._stream.seek(position)

    def read(self, size: int) -> bytes:
        # A header may say that it is of any length.
        self._check(self.tell() if size <= MOST_BYTES else size + self._limit)
        return self._stream.read(size)

    def _check(self, position: int) -> None:
        if position > self._limit:
            raise InputError(
                f"cannot read the archive {self._archive}: it unpacks to far more than games do "
                f"({self._limit:,} bytes); unpack it, and give the folder"
            )


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
