"""Files that are whole or absent: what a killed process leaves behind can always be read."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_UNFINISHED = ".unfinished-"


@contextmanager
def whole(target: Path, *, keep: bool = False) -> Iterator[Path]:
    """A path to write a file or folder to, which becomes `target` when the block ends.

    Written beside the target, flushed to the disk, then renamed over it. When the block
    raises, nothing of it remains and the target is as it was. Processes and threads that write
    the same target do not meet: each has a name of its own for what is unfinished. With `keep`,
    a folder that another finished first stays, and this one is dropped.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    own = f"{os.getpid()}-{threading.get_ident()}"
    unfinished = target.with_name(f"{_UNFINISHED}{own}-{target.name}")
    _remove(unfinished)
    try:
        yield unfinished
        for path in [unfinished, *unfinished.rglob("*")]:
            _flush(path)
        if target.is_dir() and not keep:  # a folder cannot be renamed over a full one
            shutil.rmtree(target)
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


def remove_unfinished(folder: Path) -> None:
    """Delete what a process that was killed in the middle of writing left in `folder`."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        _remove(path)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says so, by its number or, from libraries that hide it, its words."""
    number = getattr(error, "errno", None)
    return number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


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
