"""The processes that take part in a run: one, or several that a launcher started.

Each does its share of the rollouts and of the loss; the first one writes and speaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, broadcast_object_list, gather_object

from proxmo.envs.base import Task
from proxmo.errors import InputError, ProxmoError
from proxmo.types import Trajectory

_PATIENCE = timedelta(days=7)
"""How long processes wait for one that works alone, as the first does while it evaluates; by
default they die after ten minutes. One that fails ends the others through its launcher."""


class Processes:
    """This process among those of the run."""

    def __init__(self) -> None:
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
        )

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.accelerator.is_main_process

    def wait(self) -> None:
        """Go on when all are here."""
        self.accelerator.wait_for_everyone()

    def share(self, tasks: Sequence[Task]) -> list[Task]:
        """The tasks that this process plays."""
        return list(tasks[self.accelerator.process_index :: self.accelerator.num_processes])

    def gather(self, own: list[Trajectory], tasks: Sequence[Task]) -> list[Trajectory]:
        """The trajectories of all processes, in the order of `tasks`, then of members."""
        if self.accelerator.num_processes == 1:
            return own
        place = {task.id: number for number, task in enumerate(tasks)}
        return sorted(gather_object(own), key=lambda trajectory: place[trajectory.task])

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """The block is run by the first process, then by the others."""
        with self.accelerator.main_process_first():
            yield

    def told_by_first(self, value: Any) -> Any:
        """What the first process gives, on all of them. An `InputError` or a `ProxmoError` that
        it gives is raised on all."""
        told = [value]
        broadcast_object_list(told)
        if isinstance(told[0], InputError | ProxmoError):
            raise told[0]
        return told[0]

    def open_tracker(self, name: str, folder: Path, settings: dict[str, Any]) -> None:
        """Log to an experiment tracker from now on."""
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(), log_with=name, project_dir=folder
        )
        self.accelerator.init_trackers("proxmo", config=settings)

    def log(self, metrics: dict[str, float], update: int) -> None:
        """Tell the tracker, where there is one."""
        self.accelerator.log(metrics, step=update)

    def end(self) -> None:
        """Wait for all, then close trackers."""
        self.wait()
        self.accelerator.end_training()
