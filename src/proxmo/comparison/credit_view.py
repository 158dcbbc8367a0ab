"""The trajectories of a group with their credit, taken apart for the report.

Baselines and the states behind them are worked out again from the steps on disk, by the
run's own estimator, and checked against the advantages that training used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from proxmo.comparison.results import Results, RunRecord, trajectory_file
from proxmo.credit import Steps
from proxmo.credit.baselines import StepBaselines, step_baselines

NEIGHBOURS = 12
"""States listed behind a baseline, the largest first; the rest are added up."""

Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class GroupView:
    """One group of one update of one run."""

    environment: str
    variant: str
    seed: int
    update: int
    task: str
    data: dict[str, Any]
    """What the page shows, ready for JSON: see `_group`."""


def group_views(results: Results, *, updates: int = 3, tasks: int = 4) -> list[GroupView]:
    """Groups to look at: of each variant its first seed, some updates, some tasks of each.

    Updates are spread evenly from the first to the last. Tasks are those of which about half the
    trajectories of the reference succeeded, since there credit has the most to tell apart; the
    same tasks are shown of every variant that played them. The reference comes first.
    """
    views = []
    for environment in results.environments:
        shown: dict[tuple[int, int], list[str]] = {}
        names = results.variants(environment)
        # The reference first: it says which tasks are shown.
        for name in sorted(names, key=lambda name: name != results.plan.reference):
            record = results.of(environment, name)[0]
            for update in _spread_over(len(record.metrics), updates):
                file = trajectory_file(record.run, update)
                if not file.is_file():
                    continue
                columns = pq.read_table(file).to_pydict()
                told = shown.setdefault((record.run.seed, update), _mixed(columns, tasks))
                if not set(told) & set(columns["group"]):
                    told = _mixed(columns, tasks)  # a variant with tasks of its own
                views += _views(record, update, columns, told)
    return sorted(views, key=lambda view: results.environments.index(view.environment))


def _views(
    record: RunRecord, update: int, columns: Columns, tasks: Sequence[str]
) -> list[GroupView]:
    config, run = record.run.config, record.run
    estimator = config.credit
    names = ("group", "trajectory", "step", "observation", "reward", "success", "valid")
    steps = Steps(**{name: columns[name] for name in names})
    baselines = step_baselines(estimator, steps)
    verified = bool(np.allclose(estimator(steps).advantage, columns["advantage"], atol=1e-6))
    options = {
        "omega": getattr(estimator, "step_weight", 1.0),
        "lam": getattr(estimator, "lam", 1.0),
        "left_out": getattr(estimator, "leave_one_out", False),
    }
    return [
        GroupView(
            run.environment,
            run.variant,
            run.seed,
            update,
            task,
            _group(columns, task, steps, baselines) | {"verified": verified} | options,
        )
        for task in tasks
        if task in columns["group"]
    ]


def _group(
    columns: Columns, task: str, steps: Steps, baselines: StepBaselines | None
) -> dict[str, Any]:
    """A group as plain data.

    `states` lists the texts: [text, steps in it, mean return]; `neighbours` per distinct baseline
    the states behind it: [[state, share], ...]; `trajectories` the steps: [state, action, response,
    valid, reward, advantage, episode part, step part, return, baseline, neighbours' number].
    """
    rows = [row for row, group in enumerate(columns["group"]) if group == task]
    texts = list(dict.fromkeys(columns["observation"][row] for row in rows))
    number = {text: place for place, text in enumerate(texts)}
    trajectories: dict[str, list[int]] = {}
    for row in rows:
        trajectories.setdefault(columns["trajectory"][row], []).append(row)
    asked = _asked(baselines, rows)
    origins = {place: i for i, place in enumerate(asked)}
    listed = [
        _trajectory(columns, own, number, baselines, origins) for own in trajectories.values()
    ]
    return {
        "type": columns["task_type"][rows[0]],
        "success": float(np.mean([t["success"] for t in listed])),
        "reward": float(np.mean([t["reward"] for t in listed])),
        "states": [_state(text, rows, columns, baselines) for text in texts],
        "neighbours": [
            _neighbours(baselines, row, number, steps) if baselines else []
            for row in asked.values()
        ],
        "trajectories": listed,
    }


def _asked(baselines: StepBaselines | None, rows: Sequence[int]) -> dict[int, int]:
    """Row of the group's weights -> the first step judged by it, in the order of the steps."""
    asked: dict[int, int] = {}
    if baselines is not None:
        for row in rows:
            asked.setdefault(int(baselines.places[row]), row)
    return asked


def _trajectory(
    columns: Columns,
    rows: Sequence[int],
    number: dict[str, int],
    baselines: StepBaselines | None,
    origins: dict[int, int],
) -> dict[str, Any]:
    return {
        "name": columns["trajectory"][rows[0]].rpartition("#")[2],
        "success": bool(columns["success"][rows[0]]),
        "reward": float(sum(columns["reward"][row] for row in rows)),
        "error": columns["error"][rows[0]],
        "steps": [
            [
                number[columns["observation"][row]],
                columns["action"][row],
                columns["response"][row],
                bool(columns["valid"][row]),
                *(
                    _short(columns[name][row])
                    for name in ("reward", "advantage", "episode_advantage", "step_advantage")
                ),
                _short(baselines.returns[row]) if baselines else None,
                _short(baselines.baseline[row]) if baselines else None,
                origins[int(baselines.places[row])] if baselines else None,
            ]
            for row in rows
        ],
    }


def _state(
    text: str, rows: Sequence[int], columns: Columns, baselines: StepBaselines | None
) -> list[Any]:
    own = [row for row in rows if columns["observation"][row] == text]
    mean = _short(baselines.compared[own].mean()) if baselines else None
    return [text, len(own), mean]


def _neighbours(
    baselines: StepBaselines, row: int, number: dict[str, int], steps: Steps
) -> list[list[float]]:
    return [
        [number[steps.texts[int(baselines.states.text[state])]], _short(share)]
        for state, share in baselines.neighbours(row)[:NEIGHBOURS]
    ]


def _mixed(columns: Columns, count: int) -> list[str]:
    """Tasks by how evenly their trajectories divide into successes and failures."""
    outcomes: dict[str, dict[str, bool]] = {}
    keys = zip(columns["group"], columns["trajectory"], columns["success"], strict=True)
    for group, trajectory, success in keys:
        outcomes.setdefault(group, {})[trajectory] = success
    rate = {group: float(np.mean(list(found.values()))) for group, found in outcomes.items()}
    return sorted(rate, key=lambda group: abs(rate[group] - 0.5))[:count]


def _spread_over(updates: int, count: int) -> list[int]:
    return sorted({round(float(u)) for u in np.linspace(1, updates, min(count, updates))})


def _short(value: float) -> float:
    return round(float(value), 5)
