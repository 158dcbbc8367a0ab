"""A name for data by its contents: other data behind the same path has another name.

Names, sizes and contents of files count; where they lie and when they were written do not. The
digests of files that are asked for together are remembered together, in `$PROXMO_CACHE/digests`,
each for as long as its file has the same size, inode and times. Among the times is that of the
last change of any kind (ctime), which no program can set: a file that was written again in its
place, with its old time put back, is read again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from proxmo.errors import InputError
from proxmo.files import cache_folder, write_text

_SETTLED = 2_000_000_000
"""Nanoseconds after which a file that is written again has another time on every file system."""
_DIGEST = re.compile("[0-9a-f]{64}")


def of_files(path: Path) -> str:
    """Digest of a file, or of all files below a folder with their names, sizes and contents.

    What has no contents of its own does not count in a folder: pipes, sockets, devices, links that
    lead nowhere or back to a folder that they are in. Raises `InputError` for what cannot be read.
    """
    if not path.is_dir():
        return of_named({path.name: path})
    return of_named({file.relative_to(path).as_posix(): file for file in _below(path, ())})


def of_named(files: Mapping[str, Path]) -> str:
    """Digest of files by name: what `of_files` makes of a folder that has these alone."""
    found = hashlib.blake2b(digest_size=16)
    digests = of_each(files)
    for name in sorted(files):
        size = _status(files[name]).st_size
        found.update(f"{name} {size}\n".encode("utf-8", "surrogateescape"))
        found.update(bytes.fromhex(digests[name]))
    return found.hexdigest()


def of_each(files: Mapping[str, Path]) -> dict[str, str]:
    """Digest of each file's contents, by name; remembered while the file is not written again.

    Raises `InputError` for what cannot be read or has no end (a pipe, a device).
    """
    memory = _memory(files)
    remembered = _recall(memory)
    stamps = {name: _stamp(path) for name, path in files.items()}
    known = {name: remembered.get(name, []) for name in files}
    digests = {
        name: known[name][-1] if known[name][:-1] == stamps[name] else _read(path)
        for name, path in files.items()
    }
    # What was written just now may be written again without another time.
    settled = time.time_ns() - _SETTLED
    kept = {n: [*stamps[n], digests[n]] for n in files if max(stamps[n][1:3]) < settled}
    if any(kept[name] != known[name] for name in kept):
        with suppress(OSError):  # nowhere to remember it: read again the next time
            write_text(memory, json.dumps(kept))
    return digests


def _below(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Every file below a folder, through links too."""
    status = _status(folder)
    here = status.st_dev, status.st_ino
    if here in above:
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}") from error
    for entry in entries:
        mode = _mode(entry)
        if stat.S_ISDIR(mode):
            yield from _below(entry, (*above, here))
        elif stat.S_ISREG(mode):
            yield entry


def _mode(path: Path) -> int:
    """What kind of thing a path leads to; 0 where a link leads nowhere."""
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return 0
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _stamp(path: Path) -> list[int]:
    """What changes whenever a file is written."""
    status = _status(path)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is no file with contents (a pipe, a socket or a device)")
    times = status.st_mtime_ns, status.st_ctime_ns
    return [status.st_size, *times, status.st_ino, status.st_dev]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _memory(files: Mapping[str, Path]) -> Path:
    """Where the digests of these files are remembered."""
    told = hashlib.blake2b(digest_size=16)
    for path in files.values():
        told.update(os.fsencode(path.absolute()) + b"\0")
    return cache_folder() / "digests" / f"{told.hexdigest()}.json"


def _recall(memory: Path) -> dict[str, list[Any]]:
    """What is remembered: [*stamp, digest] by name; nothing that is not of this form."""
    try:
        kept = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {name: each for name, each in kept.items() if isinstance(each, list) and _is_whole(each)}


def _is_whole(remembered: list[Any]) -> bool:
    digest = remembered[-1] if remembered else None
    return isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None
