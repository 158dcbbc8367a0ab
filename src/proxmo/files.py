"""Files that are whole or absent: what a killed process leaves behind can always be read."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from proxmo.errors import InputError, ProxmoError

LOCK = ".lock"
"""The file that says by which process a folder is in use; see `locked`."""
_UNFINISHED = ".unfinished-"
_HOUR = 3600.0


@contextmanager
def whole(target: Path, *, keep: bool = False) -> Iterator[Path]:
    """A path to write a file or folder to, which becomes `target` when the block ends.

    Written beside the target, flushed to the disk, then renamed over it. When the block
    raises, nothing of it remains and the target is as it was. Processes and threads that write
    the same target do not meet: each has a name of its own for what is unfinished. With `keep`,
    a folder that another finished first stays, and this one is dropped.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _unfinished(target)
    _remove(unfinished)
    try:
        yield unfinished
        for path in [unfinished, *unfinished.rglob("*")]:
            _flush(path)
        if target.is_dir() and not keep:  # a folder cannot be renamed over a full one
            remove(target)
        try:
            unfinished.replace(target)
        except OSError:
            if not (keep and target.is_dir()):
                raise
            _remove(unfinished)
    except BaseException:
        _remove(unfinished)
        raise
    _flush(target.parent)


def write_text(target: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole(target) as path:
        path.write_text(text, encoding="utf-8")


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there, in one moment: a kill leaves no half of it.

    What is left of its contents is swept by `remove_unfinished`.
    """
    if path.exists():
        gone = _unfinished(path, "removed-")
        _remove(gone)
        path.rename(gone)
        _remove(gone)


def is_new(folder: Path) -> bool:
    """Whether nothing is in `folder`, or where it would be, but what a kill may have left."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(
        path.name == LOCK or path.name.startswith(_UNFINISHED) for path in folder.iterdir()
    )


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the file `path`, for the time of the block, against other processes.

    The operating system lets go of it when its holder ends, in whatever way. Raises `InputError`
    that says who holds it: "`what` is in use by process 12 on host".
    """
    import fcntl  # not on every system

    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            raise InputError(f"{what} is in use by {holder}; wait for it, or stop it") from None
        except OSError as error:
            raise ProxmoError(f"{path} cannot be locked ({error}); use a local disk") from error
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        os.close(handle)


def remove_unfinished(folder: Path) -> None:
    """Delete what a process that was killed in the middle of writing left in `folder`."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        _remove(path)


def sweep(folder: Path) -> None:
    """Delete what killed processes left in a folder that others may be writing to.

    That is what nobody has touched for an hour and whose process, by its number, is gone: on a
    shared disk another machine's processes are not known here.
    """
    for path in folder.glob(f"{_UNFINISHED}*"):
        number = re.match(rf"{re.escape(_UNFINISHED)}(?:removed-)?(\d+)-", path.name)
        with suppress(OSError):  # another process sweeps, too
            if time.time() - path.stat().st_mtime > _HOUR and number and not _lives(int(number[1])):
                _remove(path)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def cache_folder() -> Path:
    """Where is kept what can be made again: `$PROXMO_CACHE`, by default `~/.cache/proxmo`."""
    return Path(os.environ.get("PROXMO_CACHE") or Path.home() / ".cache" / "proxmo")


def digest_of(file: Path) -> str:
    """A name of a file's contents."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says so, by its number or, from libraries that hide it, its words."""
    number = getattr(error, "errno", None)
    return number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def _unfinished(target: Path, why: str = "") -> Path:
    own = f"{os.getpid()}-{threading.get_ident()}"
    return target.with_name(f"{_UNFINISHED}{why}{own}-{target.name}")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
