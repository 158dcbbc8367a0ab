"""Progress: bars on a terminal, and where there is none a line a minute of what takes long."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from proxmo.cold_start.progress import SftProgress
    from proxmo.episodes.play import RolloutProgress


class Bars:
    """Named bars, each shown when it is first told about.

    Without a terminal, a line every `interval` seconds says how one under way stands.
    """

    def __init__(self, console: Console, interval: float = 60.0) -> None:
        self._console = console
        self._interval = interval
        self._said: dict[str, float] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What ends the block, such as SIGHUP, counts, and not that the terminal is closed.
        with suppress(OSError) if isinstance(error, KeyboardInterrupt) else nullcontext():
            self._progress.stop()

    def show(self, name: str, done: int, total: int, told: str = "") -> None:
        """Set the bar called `name` to done / total, with a few words behind it."""
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=total, told="")
            self._said[name] = time.monotonic()
        if not self._console.is_terminal:
            self._say(name, done, total, told)
        self._progress.update(self._bars[name], completed=done, total=total, told=told)

    def _say(self, name: str, done: int, total: int, told: str) -> None:
        now = time.monotonic()
        if now - self._said[name] >= self._interval:
            self._said[name] = now
            self._console.print(f"{name}: {done:,} of {total:,}" + (f", {told}" if told else ""))

    def hide(self, name: str) -> None:
        """Take a bar away, if it is there; telling about it again starts it anew."""
        if name in self._bars:
            self._progress.remove_task(self._bars.pop(name))

    def hide_all(self) -> None:
        """Take all bars away."""
        for name in list(self._bars):
            self.hide(name)

    def episodes(self, name: str, progress: RolloutProgress) -> None:
        """Show a rollout: episodes that ended, their rate and success."""
        self.show(name, progress.episodes, progress.total, describe_rollout(progress))

    def cold_start(self, progress: SftProgress) -> None:
        """Show the making of the built-in policy."""
        told = (
            f"{progress.solved:,} solved" if progress.loss is None else f"loss {progress.loss:.2f}"
        )
        if progress.errors:
            told += f", {progress.errors:,} broke off"
        name = {"demonstrations": "expert demonstrations", "training": "imitating the expert"}
        self.show(name[progress.stage], progress.done, progress.total, told)


def describe_rollout(progress: RolloutProgress) -> str:
    """Rate and success of the episodes that ended, such as "41.2 episodes/s, success 37%"."""
    rate = progress.episodes / progress.seconds if progress.seconds > 0 else 0.0
    told = f"{rate:.1f} episodes/s"
    if progress.episodes:
        told += f", success {progress.successes / progress.episodes:.0%}"
    return told
