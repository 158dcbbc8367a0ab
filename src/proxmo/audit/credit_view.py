"""Audited episodes as a page shows them: what each step was given beside what it was worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proxmo.audit.judge import Findings
from proxmo.audit.record import Playthrough, TaskRecord
from proxmo.credit.steps import Floats


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task, ready for JSON."""

    entry: dict[str, Any]
    """What a list of tasks tells of it."""
    data: dict[str, Any]
    """`states` are its observations; `trajectories` the audited ones, each with its `steps`
    [state, action, valid, reward, worth, standard error, value, continuations, credit]. `credit`
    holds what each judgement gave, in their order; it and the truth are null where the step could
    not be judged."""


def task_views(findings: Findings, records: Sequence[TaskRecord], tasks: int = 8) -> list[TaskView]:
    """Some audited tasks: those of which about half the episodes succeeded come first, since there
    credit has the most to tell apart."""
    audited = [number for number in range(len(records)) if (findings.truth.task == number).any()]
    mixed = sorted(audited, key=lambda number: abs(_rate(records[number]) - 0.5))
    return [_view(findings, number, records[number]) for number in mixed[:tasks]]


def judged(findings: Findings) -> dict[str, Any]:
    """What a page has to know of the judgements: whose they are, and the standard deviation of
    what each gave and of the truth, which colours are scaled by."""
    return {
        "judgements": [
            {"method": one.method, "noise": one.noise, "spread": _spread(one.advantage)}
            for one in findings.judgements.values()
        ],
        "spread": _spread(findings.truth.advantage),
    }


def _view(findings: Findings, number: int, record: TaskRecord) -> TaskView:
    truth = findings.truth
    (rows,) = np.nonzero(truth.task == number)
    at = {(int(truth.trajectory[row]), int(truth.step[row])): int(row) for row in rows}
    states: dict[str, int] = {}
    trajectories = [
        {
            "name": run.trajectory,
            "success": run.success,
            "steps": [
                _step(findings, record, run, step, states, at.get((run.trajectory, step)))
                for step in range(run.end - run.first)
            ],
        }
        for run in record.sampled
        if run.trajectory in record.audited
    ]
    solved, members = sum(run.success for run in record.sampled), len(record.sampled)
    entry = {"task": record.task, "type": record.task_type, "solved": solved, "members": members}
    return TaskView(entry, {"states": list(states), "trajectories": trajectories})


def _step(
    findings: Findings,
    record: TaskRecord,
    run: Playthrough,
    step: int,
    states: dict[str, int],
    row: int | None,
) -> list[Any]:
    place, truth = run.first + step, findings.truth
    state = states.setdefault(record.observation[place], len(states))
    played = [
        state,
        record.action[place],
        bool(record.valid[place]),
        _short(record.reward[place]),
    ]
    if row is None:
        return [*played, None, None, None, 0, None]
    return [
        *played,
        *(_short(column[row]) for column in (truth.advantage, truth.error, truth.value)),
        int(truth.continuations[row]),
        [_short(one.advantage[row]) for one in findings.judgements.values()],
    ]


def _rate(record: TaskRecord) -> float:
    return float(np.mean([run.success for run in record.sampled]))


def _spread(values: Floats) -> float:
    return _short(values.std())


def _short(value: float) -> float:
    return round(float(value), 5)
