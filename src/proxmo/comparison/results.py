"""What the runs of a comparison came to, read from their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from proxmo.comparison.file import COLD_START
from proxmo.comparison.jobs import is_finished
from proxmo.comparison.plan import Plan, Run
from proxmo.comparison.runner import read_failures
from proxmo.config import EnvConfig, parse_config
from proxmo.credit.steps import Floats
from proxmo.envs import registry
from proxmo.training.run_folder import RunFolder
from proxmo.training.start import Start, read_start

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measure:
    """What an evaluation is judged by: a number from 0 to 1, told in hundredths."""

    name: str
    """Its key in an evaluation."""
    told: str
    """What it means, for an axis."""
    unit: str
    """What stands behind its hundredths."""

    def file_name(self, kind: str, environment: str) -> str:
        """What a figure or table of this measure is called; success goes without saying."""
        return f"{kind}-{environment}" if self == SUCCESS else f"{kind}-{self.name}-{environment}"

    def of(self, evaluation: Record) -> float:
        """Over all tasks of an evaluation."""
        return float(evaluation["overall"][self.name])

    def final(self, records: Sequence[RunRecord]) -> Floats:
        """At the end of each run, (runs,)."""
        return np.array([self.of(record.last) for record in records])


SUCCESS = Measure("success", "unseen tasks solved", "%")
SCORE = Measure("score", "mean score on unseen tasks, times 100", "")
"""The environment's own grade of an episode, where it gives one."""


@dataclass(frozen=True)
class RunRecord:
    """A finished run."""

    run: Run
    metrics: list[Record]
    """One per update."""
    evaluations: dict[int, Record]
    """Updates made before -> evaluation."""
    start: str | None
    """A name of the weights that the run started from; None where it is not on record."""
    began: Start | None
    """All else that its numbers depend on; None where it is not on record."""

    @property
    def last(self) -> Record:
        """The evaluation at the end."""
        return self.evaluations[max(self.evaluations)]

    def tasks(self, update: int) -> list[str] | None:
        """The tasks of an update, in order; None when its trajectories were not kept."""
        file = trajectory_file(self.run, update)
        if not file.is_file():
            return None
        groups = pq.read_table(file, columns=["group"]).column("group").to_pylist()
        return list(dict.fromkeys(groups))


class Results:
    """All finished runs of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.failures = read_failures(plan.out)
        self.records = {
            (run.environment, run.variant, run.seed): _read(run)
            for run in [*plan.cold_starts, *plan.runs]
            if is_finished(run)
        }
        self.unfinished = [run.name for run in plan.runs if not self._has(run)]

    def _has(self, run: Run) -> bool:
        return (run.environment, run.variant, run.seed) in self.records

    @cached_property
    def environments(self) -> list[str]:
        """Environments with a finished run of an update or more."""
        found = {record.run.environment for record in self.records.values() if record.metrics}
        return [name for name in self.plan.environments if name in found]

    def told(self, environment: str) -> str:
        """What titles call an environment: by its name, with its noise."""
        run = next(run for run in self.plan.runs if run.environment == environment)
        noise = run.config.env.noise
        return f"{environment}, noise {noise:g}" if noise else environment

    def of(self, environment: str, variant: str) -> list[RunRecord]:
        """The finished runs of a variant in an environment, by seed."""
        found = [
            record
            for (env, name, _), record in self.records.items()
            if (env, name) == (environment, variant)
        ]
        return sorted(found, key=lambda record: record.run.seed)

    def variants(self, environment: str) -> list[str]:
        """Names of the variants with a finished run in an environment, in the plan's order."""
        return [v.name for v in self.plan.variants if self.of(environment, v.name)]

    def kinds(self, environment: str, *kinds: str) -> list[str]:
        """Those of the variants that are of these kinds."""
        return [v for v in self.variants(environment) if self.plan.variant(v).kind in kinds]

    def measures(self, environment: str) -> list[Measure]:
        """What the environment's runs are judged by: success first."""
        records = [r for (env, _, _), r in self.records.items() if env == environment]
        graded = all(record.last["overall"].get("score") is not None for record in records)
        return [SUCCESS, SCORE] if graded else [SUCCESS]

    def task_types(self, environment: str) -> dict[str, str]:
        """Task types that evaluations met -> their names, in the environment's own order."""
        records = [r for (env, _, _), r in self.records.items() if env == environment]
        spec = registry.get(records[0].run.config.env.name)
        found = {kind for record in records for kind in record.last["types"]}
        return {kind: spec.task_type_name(kind) for kind in sorted(found, key=spec.task_type_place)}

    def shared(self, environment: str, variants: Sequence[str]) -> dict[str, list[RunRecord]]:
        """Finished runs by variant, over the seeds that all of these variants have finished.

        Variants without a finished run are left out; empty where the others share no seed.
        """
        found = {name: records for name in variants if (records := self.of(environment, name))}
        seeds = [{record.run.seed for record in records} for records in found.values()]
        common = set.intersection(*seeds) if seeds else set()
        if not common:
            return {}
        return {name: [r for r in of if r.run.seed in common] for name, of in found.items()}

    def pairs(
        self, environment: str, ours: str, theirs: str, measure: Measure = SUCCESS
    ) -> tuple[Floats, Floats]:
        """How two variants ended, over the seeds that both have."""
        both = self.shared(environment, [ours, theirs])
        if ours not in both or theirs not in both:
            return np.array([]), np.array([])
        return measure.final(both[ours]), measure.final(both[theirs])


def trajectory_file(run: Run, update: int) -> Any:
    """Where a run keeps the steps of an update."""
    return RunFolder(run.folder).trajectories / f"update_{update:05d}.parquet"


@dataclass(frozen=True, slots=True)
class Check:
    """Something that has to hold for a comparison to be fair, looked up in the records."""

    claim: str
    holds: bool | None
    """None: the runs did not record what would tell."""
    detail: str


def fairness_checks(results: Results) -> list[Check]:
    """Whether runs that were to be on equal terms were: start, tasks, budget."""
    checks = []
    for environment in results.environments:
        names = results.variants(environment)
        records = [record for name in names for record in results.of(environment, name)]
        checks += [
            _same_start(environment, [*results.of(environment, COLD_START), *records]),
            _same_data(environment, records),
            _same_tasks(environment, records),
            _same_budget(environment, records),
            _same_settings(environment, [*results.of(environment, COLD_START), *records]),
        ]
    return checks


def _same_start(environment: str, records: Sequence[RunRecord]) -> Check:
    """All runs started from the same weights."""
    claim = f"{environment}: one cold start for all runs"
    known = [record for record in records if record.start is not None]
    different = [record.run.name for record in known if record.start != known[0].start]
    if different:
        return Check(claim, False, f"differs: {', '.join(different)}")
    if len(known) < len(records):
        return Check(claim, None, "the weights that runs started from are not all on record")
    return Check(claim, True, "same weights before training")


def _same_data(environment: str, records: Sequence[RunRecord]) -> Check:
    """All runs drew their tasks from the same data, and were made by one version of proxmo."""
    claim = f"{environment}: the same data, one version of proxmo"
    known = [record.began for record in records if record.began is not None]
    data = sorted({began.data for began in known})
    versions = sorted({began.proxmo for began in known})
    if len(data) > 1 or len(versions) > 1:
        told = [f"data {name}" for name in data] * (len(data) > 1)
        told += [f"proxmo {name}" for name in versions] * (len(versions) > 1)
        return Check(claim, False, f"differs: {', '.join(told)}")
    if len(known) < len(records):
        return Check(claim, None, "what runs began with is not on record for all of them")
    return Check(claim, True, f"data {data[0]}, proxmo {versions[0]}")


def _same_tasks(environment: str, records: Sequence[RunRecord]) -> Check:
    """Variants of a seed that draw as many tasks drew the same, in the same order."""
    known: dict[tuple[int, int, int], list[str]] = {}
    compared, different = 0, []
    for record in records:
        for line in record.metrics:
            tasks = record.tasks(line["update"])
            if tasks is None:
                continue
            key = (record.run.seed, line["update"], len(tasks))
            compared += key in known
            if known.setdefault(key, tasks) != tasks:
                different.append(f"{record.run.name} update {line['update']}")
    claim = f"{environment}: the same tasks in the same order"
    if different:
        return Check(claim, False, f"differs: {', '.join(different)}")
    if not compared:
        return Check(claim, None, "no update to compare: one variant, or no trajectories kept")
    told = f"{compared} updates compared with the same update of another variant"
    return Check(claim, True, told)


def _same_budget(environment: str, records: Sequence[RunRecord]) -> Check:
    budgets = {
        (len(record.metrics), config.rollout.tasks * config.rollout.group_size)
        for record in records
        for config in [record.run.config]
    }
    told = " and ".join(f"{u} updates of {e} episodes" for u, e in sorted(budgets))
    return Check(f"{environment}: equal budgets", len(budgets) == 1, told)


def _same_settings(environment: str, records: Sequence[RunRecord]) -> Check:
    """All runs acted in the environment under the same settings, its noise and its rewards."""
    claim = f"{environment}: the same settings of the environment"
    # Read as settings, so that one that is newer than a run has its default.
    known: list[EnvConfig] = [
        parse_config(record.began.settings, record.run.name).env
        for record in records
        if record.began is not None
    ]
    told = [
        f"{entry.name} {' and '.join(map(str, values))}"
        for entry in fields(EnvConfig)
        if len(values := dict.fromkeys(getattr(env, entry.name) for env in known)) > 1
    ]
    if told:
        return Check(claim, False, f"differs: {', '.join(told)}")
    if len(known) < len(records):
        return Check(claim, None, "what runs began with is not on record for all of them")
    return Check(claim, True, f"noise {known[0].noise:g}, reward {known[0].reward}")


def _read(run: Run) -> RunRecord:
    folder = RunFolder(run.folder)
    evaluations = {line["update"]: line for line in folder.read_evaluations()}
    began = read_start(folder.start_file)
    return RunRecord(run, folder.read_metrics(), evaluations, folder.read_digest(), began)
