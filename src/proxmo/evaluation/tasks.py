"""Which tasks an evaluation plays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from proxmo.envs.base import Task, TaskSet


def sample_tasks(tasks: TaskSet, count: int, seed: int) -> list[Task]:
    """`count` of the tasks, drawn without replacement, in the set's order; 0 takes all.

    A draw, because the first tasks of a split are often all of one type. The same seed
    draws the same tasks, so that two evaluations of a run can be compared.
    """
    if count == 0 or count >= len(tasks):
        return [tasks[index] for index in range(len(tasks))]
    drawn = np.random.default_rng(seed).choice(len(tasks), size=count, replace=False)
    return [tasks[int(index)] for index in sorted(drawn)]
