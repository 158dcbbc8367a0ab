"""What an audit played of one task: sampled episodes, and continuations from their steps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from proxmo.credit.steps import Bools, Floats, Ints
from proxmo.errors import InputError
from proxmo.files import whole
from proxmo.types import Trajectory

_HEAD = b"proxmo"
_WHOLE = -1
"""Instead of a step and a number: a sampled episode, from its start."""


@dataclass(frozen=True, slots=True)
class Playthrough:
    """One episode or continuation: rows `first` to `end` of its task's steps, end excluded."""

    trajectory: int
    """Number of the sampled episode in its group that this is, or goes on from."""
    since: int
    """The step that it is played on from, counted from 0; -1 for a sampled episode."""
    number: int
    """Which continuation of that step it is; -1 for a sampled episode."""
    first: int
    end: int
    success: bool
    cut: bool
    """Ended by the step limit, or for want of room, not by the task."""

    @property
    def sampled(self) -> bool:
        """Whether it is a sampled episode, and no continuation."""
        return self.since == _WHOLE


@dataclass(frozen=True, slots=True, eq=False)
class TaskRecord:
    """All that was played of one task."""

    task: str
    task_type: str
    group_size: int
    audited: tuple[int, ...]
    """Numbers of the episodes whose steps were played on from."""
    runs: tuple[Playthrough, ...]
    """Sampled episodes first, those that the environment did not break off."""
    observation: list[str]
    """(N,) Per step of the runs, one run after the other, what the agent saw, ..."""
    action: list[str]
    """... did, ..."""
    reward: Floats
    """... was paid, ..."""
    valid: Bools
    """... and whether it was an action."""
    errors: int = 0
    """Episodes and continuations that the environment broke off, which are left out."""
    first_error: str | None = None
    seconds: float = 0.0
    """What playing took, of one process."""
    turns: int = 0
    """How many turns the policy took."""

    @property
    def sampled(self) -> tuple[Playthrough, ...]:
        """The sampled episodes."""
        return tuple(run for run in self.runs if run.sampled)

    def continuations(self, trajectory: int) -> dict[int, list[Playthrough]]:
        """Those of one episode, by the step that they were played on from."""
        found: dict[int, list[Playthrough]] = {}
        for run in self.runs:
            if run.trajectory == trajectory and not run.sampled:
                found.setdefault(run.since, []).append(run)
        return found

    def discounted(self, run: Playthrough, gamma: float) -> float:
        """The discounted return of a run, from its first step on."""
        rewards = self.reward[run.first : run.end]
        return float(rewards @ gamma ** np.arange(len(rewards)))


class Recorder:
    """Collects the runs of a task."""

    def __init__(self) -> None:
        self.runs: list[Playthrough] = []
        self.errors = 0
        self.first_error: str | None = None
        self._columns: dict[str, list[Any]] = {
            name: [] for name in ("observation", "action", "reward", "valid")
        }

    def add(
        self, played: Trajectory, trajectory: int, since: int = _WHOLE, number: int = _WHOLE
    ) -> None:
        """Take an episode, or the steps of it from `since` on; one that broke is counted."""
        if played.error is not None:
            self.errors += 1
            self.first_error = self.first_error or played.error
            return
        first = len(self._columns["reward"])
        steps = played.steps[max(since, 0) :]
        for name, column in self._columns.items():
            column.extend(getattr(step, name) for step in steps)
        end, cut = first + len(steps), played.truncated
        self.runs.append(Playthrough(trajectory, since, number, first, end, played.success, cut))

    def record(self, task: str, task_type: str, group_size: int, **counted: Any) -> TaskRecord:
        """All of it."""
        return TaskRecord(
            task=task,
            task_type=task_type,
            group_size=group_size,
            runs=tuple(self.runs),
            observation=self._columns["observation"],
            action=self._columns["action"],
            reward=np.array(self._columns["reward"], dtype=np.float64),
            valid=np.array(self._columns["valid"], dtype=bool),
            errors=self.errors,
            first_error=self.first_error,
            **counted,
        )


_COUNTED = ("task", "task_type", "group_size", "errors", "first_error", "seconds", "turns")


def write_record(file: Path, record: TaskRecord) -> None:
    """Write it as Parquet, a row per step, whole or not at all."""
    lengths = [run.end - run.first for run in record.runs]
    table = pa.table(
        {
            **{
                name: np.repeat([getattr(run, name) for run in record.runs], lengths)
                for name in ("trajectory", "since", "number", "success", "cut")
            },
            "step": _numbered(record.runs),
            "observation": pa.array(record.observation).dictionary_encode(),
            "action": pa.array(record.action).dictionary_encode(),
            "reward": record.reward,
            "valid": record.valid,
        }
    )
    head = {name: getattr(record, name) for name in _COUNTED} | {"audited": list(record.audited)}
    with whole(file) as path:
        pq.write_table(
            table.replace_schema_metadata({_HEAD: json.dumps(head).encode()}),
            path,
            compression="zstd",
        )


def read_record(file: Path) -> TaskRecord:
    """The record that `write_record` wrote; `InputError` where it cannot be read."""
    try:
        table = pq.read_table(file)
        head = json.loads((table.schema.metadata or {})[_HEAD])
        runs = tuple(_runs(table))
        return TaskRecord(
            **{name: head[name] for name in _COUNTED},
            audited=tuple(head["audited"]),
            runs=runs,
            observation=table["observation"].to_pylist(),
            action=table["action"].to_pylist(),
            reward=table["reward"].to_numpy().astype(np.float64),
            valid=table["valid"].to_numpy().astype(bool),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{file} is damaged ({error}); delete it, and it is played again"
        ) from None


def _numbered(runs: Sequence[Playthrough]) -> Ints:
    steps = [np.arange(run.end - run.first) + max(run.since, 0) for run in runs]
    return np.concatenate(steps) if steps else np.empty(0, np.intp)


def _runs(table: pa.Table) -> Iterable[Playthrough]:
    names = ("trajectory", "since", "number", "success", "cut")
    columns = {name: table[name].to_numpy() for name in names}
    step = table["step"].to_numpy()
    keys = np.stack([columns[name] for name in names[:3]], axis=1)
    changed = np.any(keys[1:] != keys[:-1], axis=1) | (step[1:] <= step[:-1])
    bounds = [0, *(np.flatnonzero(changed) + 1).tolist(), len(step)]
    for first, end in pairwise(bounds):
        if end > first:
            told = {name: columns[name][first].item() for name in names}
            yield Playthrough(first=first, end=end, **told)
