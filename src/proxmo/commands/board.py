"""What a person sees of a comparison under way: which runs, how far, how well, how long still."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from proxmo.comparison.jobs import Job, updates_made
from proxmo.comparison.runner import Status
from proxmo.episodes.metrics import ERRORS
from proxmo.training.run_folder import RunFolder


class Board:
    """A live table on a terminal; one line per event where there is none."""

    def __init__(self, console: Console, jobs: Sequence[Job]) -> None:
        self._console = console
        self._runs = [job.run for job in jobs if job.run is not None]
        self._live = Live(console=console, refresh_per_second=2, transient=True)
        self._told: dict[str, str] = {}
        self._made_before = self._made()
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, statuses: Sequence[Status]) -> None:
        """Show how things stand."""
        for status in statuses:
            if self._told.get(status.job.name, "waiting") != status.state:
                self._tell(status)
            self._told[status.job.name] = status.state
        if self._console.is_terminal:
            self._live.update(self._table(statuses))

    def _tell(self, status: Status) -> None:
        first = status.job.name not in self._told
        if status.state == "done" and first:  # before this comparison began
            return
        colour = {"done": "green", "failed": "red", "skipped": "red"}.get(status.state, "dim")
        line = Text.assemble((f"{status.state:8}", colour), status.job.name)
        score = _success(status.job)
        if status.state == "done" and score:
            line.append(f"  {score}")
        if status.why:
            line.append(f"  {status.why}")
        self._console.print(line)

    def _table(self, statuses: Sequence[Status]) -> Group:
        table = Table.grid(padding=(0, 2))
        for status in statuses:
            if status.state == "running":
                table.add_row(status.job.name, *_row(status.job))
        done = sum(status.state == "done" for status in statuses)
        failed = sum(status.state in ("failed", "skipped") for status in statuses)
        told = f"{done} of {len(statuses)} jobs done"
        if failed:
            told += f", {failed} failed"
        return Group(table, Text(f"{told}; {self._left()}"))

    def _made(self) -> int:
        return sum(updates_made(run) for run in self._runs)

    def _left(self) -> str:
        """Time left, by the pace since this comparison was started or gone on with."""
        made = self._made()
        total = sum(run.config.optim.updates for run in self._runs)
        self._made_before = min(made, self._made_before)  # a run may go back to its checkpoint
        if made == self._made_before:
            return f"update {made} of {total}"
        pace = (time.monotonic() - self._began) / (made - self._made_before)
        return f"update {made} of {total}, about {_duration(pace * (total - made))} left"


def _row(job: Job) -> tuple[ProgressBar | str, str, str]:
    if job.run is None:
        return ("", "making the built-in policy", "")
    metrics = RunFolder(job.run.folder).read_metrics()
    updates = job.run.config.optim.updates
    learning = f"learning {metrics[-1]['rollout/success_rate']:.0%}" if metrics else ""
    errors = sum(line.get(ERRORS, 0.0) for line in metrics)
    broken = f"{errors:.0f} episodes broken off" if errors else ""
    bar = ProgressBar(total=max(1, updates), completed=len(metrics), width=24)
    told = "  ".join(filter(None, [learning, _success(job), broken]))
    return (bar, f"{len(metrics)}/{updates}", told)


def _success(job: Job) -> str:
    """The last evaluation on record."""
    evaluations = RunFolder(job.run.folder).read_evaluations() if job.run else []
    return f"unseen {evaluations[-1]['overall']['success']:.1%}" if evaluations else ""


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
