"""A name for data by its contents: other data behind the same path has another name.

Names, sizes and contents of files count; where they lie and when they were written do not. The
digest of a large file is remembered, in `$PROXMO_CACHE/digests`, for as long as the file has the
same size, time and inode, so that gigabytes are read once.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from proxmo.errors import InputError
from proxmo.files import cache_folder, write_text

LARGE = 1 << 24
"""Bytes from which on a file's digest is remembered; reading less takes some hundredths of a
second."""
_SETTLED = 2_000_000_000
"""Nanoseconds after which a file that is written again has another time on every file system."""


def of_files(path: Path) -> str:
    """Digest of a file, or of all files below a folder with their names, sizes and contents.

    Raises `InputError` for what cannot be read, has no end (a pipe, a device), or leads back to a
    folder that it is in.
    """
    if not path.is_dir():
        return of_named({path.name: path})
    return of_named({file.relative_to(path).as_posix(): file for file in _below(path, ())})


def of_named(files: Mapping[str, Path]) -> str:
    """Digest of files by name: what `of_files` makes of a folder that has these alone."""
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(files):
        size = _status(files[name]).st_size
        found.update(f"{name} {size}\n".encode("utf-8", "surrogateescape"))
        found.update(bytes.fromhex(of_file(files[name])))
    return found.hexdigest()


def of_file(path: Path) -> str:
    """Digest of a file's contents; of a large one remembered, while it is not written again."""
    status = _status(path)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is no file with contents (a pipe, a socket or a device)")
    if status.st_size < LARGE:
        return _read(path)
    stamp = [status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev]
    memory = _memory(path)
    remembered = _recall(memory)
    if remembered is not None and remembered[:-1] == stamp:
        return str(remembered[-1])
    digest = _read(path)
    # What was written just now may be written again without another time.
    if time.time_ns() - status.st_mtime_ns > _SETTLED:
        with suppress(OSError):  # nowhere to remember it: read again the next time
            write_text(memory, json.dumps([*stamp, digest]))
    return digest


def _below(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Every file below a folder, through links too."""
    status = _status(folder)
    here = status.st_dev, status.st_ino
    if here in above:
        raise InputError(f"{folder} leads back to a folder that it is in; remove that link")
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}") from error
    for entry in entries:
        if entry.is_dir():
            yield from _below(entry, (*above, here))
        else:
            yield entry


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _memory(path: Path) -> Path:
    cache = cache_folder()
    name = hashlib.blake2b(os.fsencode(path.resolve()), digest_size=16).hexdigest()
    return cache / "digests" / f"{name}.json"


def _recall(memory: Path) -> list[object] | None:
    try:
        kept = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    is_digest = isinstance(kept, list) and len(kept) == 5 and isinstance(kept[-1], str)
    return kept if is_digest and len(kept[-1]) == 64 else None
