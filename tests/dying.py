"""Kills a process just before the n-th time that it changes something on disk.

What native code writes (weights, tables) is not seen; that it is flushed and renamed is.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
_PLACES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 2, "os.rmdir": 1, "shutil.rmtree": 1}
"""Python's names of what changes a folder, and where the descriptor of a folder that a path is
relative to stands among their arguments."""


_IMPORTED = (
    "proxmo.cold_start.make",
    "proxmo.commands.evaluate",
    "proxmo.evaluation.prompting.trials",
    "proxmo.policies.endpoint",
    "proxmo.training.loop",
    "transformers.models.llama.modeling_llama",
    "pyarrow.parquet",
    "pandas",  # pyarrow imports it when it first writes
)
"""What takes seconds, imported once: there is one server for all tests of a session."""


def forked() -> Any:
    """Processes that are forked from one that has imported the better part."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(list(_IMPORTED))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return processes


class Deaths:
    """Jobs in processes of their own, that live or die."""

    def __init__(self) -> None:
        self._processes = forked()

    def live(self, root: Path, job: Callable[..., Any], *arguments: Any) -> list[str]:
        """Run `job` to its end; the changes that it made under `root`, in their order."""
        reader, writer = self._processes.Pipe(duplex=False)
        assert self._run(_counted, writer, root, job, arguments) == 0
        return reader.recv()

    def die(self, number: int, root: Path, job: Callable[..., Any], *arguments: Any) -> None:
        """Run `job` until it is about to make its change `number` under `root`, counted from 0."""
        assert self._run(_killed, number, root, job, arguments) == -signal.SIGKILL

    def _run(self, target: Callable[..., None], *arguments: Any) -> int | None:
        process = self._processes.Process(target=target, args=arguments)
        process.start()
        process.join()
        return process.exitcode


def _counted(writer: Any, root: Path, job: Callable[..., Any], arguments: Sequence[Any]) -> None:
    made: list[str] = []
    _watch(root, made.append)
    job(*arguments)
    writer.send(list(made))


def _killed(number: int, root: Path, job: Callable[..., Any], arguments: Sequence[Any]) -> None:
    left = number

    def count(change: str) -> None:
        nonlocal left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    _watch(root, count)
    job(*arguments)


def _watch(root: Path, changes: Callable[[str], None]) -> None:
    """Tell `changes` of each change under `root` before it is made, for the life of the process."""
    under = f"{root}{os.sep}"

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        path = _changed(event, arguments)
        place = None if path is None else os.path.abspath(path)  # noqa: PTH100
        if place is not None and f"{place}{os.sep}".startswith(under):
            changes(f"{event} {place[len(under) :]}")

    flush = os.fsync

    def fsync(handle: Any) -> None:
        hear("os.fsync", (handle,))
        flush(handle)

    sys.addaudithook(hear)
    os.fsync = fsync


def _changed(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The path that an event changes; None for what changes nothing."""
    if event == "os.fsync":
        return _folder(arguments[0])
    if event == "open":
        path, _, flags = arguments
        writes = isinstance(path, str | os.PathLike) and flags & _WRITING
        return os.fspath(path) if writes else None
    if event not in _PLACES:
        return None
    path, within = os.fspath(arguments[0]), arguments[_PLACES[event]]
    return path if within in (None, -1) else os.path.join(_folder(within), path)  # noqa: PTH118


def _folder(handle: int) -> str:
    return os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115
