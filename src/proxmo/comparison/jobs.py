"""The processes of a comparison: what each is told, what it needs first, when it is done."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxmo.cold_start.recipe import made_otherwise, recipe_of
from proxmo.comparison.file import COLD_START
from proxmo.comparison.plan import Plan, Run
from proxmo.config import SftConfig, TrainConfig, load_config
from proxmo.envs import registry
from proxmo.errors import InputError
from proxmo.files import write_text
from proxmo.training.run_folder import RunFolder
from proxmo.training.start import changed_setting, read_start


@dataclass(frozen=True, slots=True)
class Job:
    """One process. All that is known of its state is on disk, so that any of them may die."""

    name: str
    needs: tuple[str, ...]
    """Jobs that have to be done first."""
    folder: Path
    """What it makes."""
    is_done: Callable[[], bool]
    prepare: Callable[[], list[str]]
    """Readies the folder and returns the arguments of `proxmo`; called when needs are met."""
    run: Run | None = None
    """The run it makes, if it is one."""


def jobs_of(plan: Plan) -> list[Job]:
    """All jobs of a plan: policies to start from, evaluations of them, runs."""
    check_folders(plan)
    jobs = []
    for run in plan.cold_starts:
        model = plan.builtin_model(run.environment)
        builtin = plan.starts_from_builtin(run)
        name = f"{run.environment}/{COLD_START}/policy"
        if builtin and name not in [job.name for job in jobs]:
            jobs.append(_policy_job(name, model, run.config, plan.sft))
        jobs.append(_train_job(plan, run, needs=(name,) if builtin else ()))
    starts = {(run.environment, run.seed): run for run in plan.cold_starts}
    for run in plan.runs:
        start = starts[run.environment, run.seed]
        jobs.append(_train_job(plan, run, needs=(start.name,), start=start))
    # Seed by seed, the cold start of a seed before the runs that wait for it.
    return sorted(jobs, key=lambda job: _order(plan, job))


def check_folders(plan: Plan) -> None:
    """Refuse a plan that asks for another policy to start from, or runs on disk to go on with
    other settings."""
    data: dict[str, str] = {}
    for run in {run.environment: run for run in plan.cold_starts}.values():
        model, env = plan.builtin_model(run.environment), run.config.env
        spec = registry.get(env.name)
        recipe = recipe_of(spec, env.data, plan.sft, env.max_steps, env.noise)
        data[run.environment] = recipe["contents"]
        change = made_otherwise(model, recipe)
        if change is not None:
            name, old, new = change
            raise InputError(
                f"{model} was made with {name} = {old!r}, and the comparison now says "
                f"{new!r}; put it back, or give the comparison another out"
            )
    for run in [*plan.cold_starts, *plan.runs]:
        file = RunFolder(run.folder).config_file
        if not file.is_file():
            continue
        before = load_config(file)
        if plan.starts_from_builtin(run):
            before = _where_it_is_now(before, plan.builtin_model(run.environment))
        change = changed_setting(before, run.config)
        if change is not None:
            name, old, new = change
            raise InputError(
                f"{run.folder} was begun with {name} = {old!r}, and the comparison now says "
                f"{new!r}; put it back, give the comparison another out, or delete that folder"
            )
        _check_data(run, data[run.environment])
        if before.optim.updates > run.config.optim.updates:
            raise InputError(
                f"{run.folder} was begun for {before.optim.updates} updates, more than the "
                f"{run.config.optim.updates} asked for now; ask for as many or more"
            )


def _check_data(run: Run, data: str) -> None:
    """Refuse a run on disk that began with other data than has the fingerprint `data` now."""
    began = read_start(RunFolder(run.folder).start_file)
    if began is not None and began.data != data:
        raise InputError(
            f"{run.folder} was begun with other data (fingerprint {began.data}, now {data}); put "
            "the data back, give the comparison another out, or delete that folder"
        )


def _where_it_is_now(before: TrainConfig, model: Path) -> TrainConfig:
    """Settings whose policy to start from is where the comparison has it, should it have moved."""
    place = (model.parent.parent.name, COLD_START, model.name)
    if Path(before.policy.model).parts[-3:] != place:
        return before
    return dataclasses.replace(before, policy=dataclasses.replace(before.policy, model=str(model)))


def is_finished(run: Run) -> bool:
    """Whether a run has made all its updates, was evaluated at their end and wrote its model."""
    folder, updates = RunFolder(run.folder), run.config.optim.updates
    if not folder.model.is_dir():
        return False
    evaluated = {line["update"] for line in folder.read_evaluations()}
    return updates in evaluated and updates_made(run) >= updates


def updates_made(run: Run) -> int:
    """Updates of a run that are on record."""
    return max((line["update"] for line in RunFolder(run.folder).read_metrics()), default=0)


def _order(plan: Plan, job: Job) -> tuple[int, int]:
    if job.run is None:
        return (-1, 0)
    seeds = list(dict.fromkeys(run.seed for run in plan.runs))
    return (seeds.index(job.run.seed), job.run.variant != COLD_START)


def _policy_job(name: str, folder: Path, config: TrainConfig, sft: SftConfig) -> Job:
    def prepare() -> list[str]:
        arguments = ["sft", "--env", config.env.name, "--out", str(folder)]
        if config.env.data is not None:
            arguments += ["--data", config.env.data]
        if config.env.max_steps is not None:
            arguments += ["--max-steps", str(config.env.max_steps)]
        if config.env.noise:
            arguments += ["--noise", str(config.env.noise)]
        for entry in dataclasses.fields(sft):
            flag = f"--sft.{entry.name.replace('_', '-')}"
            arguments += [flag, str(getattr(sft, entry.name))]
        return arguments

    return Job(name, (), folder, lambda: (folder / "config.json").is_file(), prepare)


def _train_job(plan: Plan, run: Run, needs: Sequence[str], start: Run | None = None) -> Job:
    def prepare() -> list[str]:
        folder = RunFolder(run.folder)
        if not folder.config_file.is_file():
            if start is not None:
                _share_first_evaluation(start, folder)
            _share_weights(plan, run.environment, folder)
        folder.write_config(run.config)  # last: a folder with settings can be resumed
        return ["train", "--resume", str(run.folder), "--updates", str(run.config.optim.updates)]

    return Job(run.name, tuple(needs), run.folder, lambda: is_finished(run), prepare, run)


def _share_weights(plan: Plan, environment: str, folder: RunFolder) -> None:
    """Have a run begin with the weights that others of its environment began with, or refuse.

    What is in a model's folder may be another model by the time a seed is added.
    """
    starts = [run for run in plan.cold_starts if run.environment == environment]
    known = [found for run in starts if (found := RunFolder(run.folder).read_digest())]
    if known:
        folder.write_digest(known[0])


def _share_first_evaluation(start: Run, folder: RunFolder) -> None:
    """Give a run the evaluation that it would begin with: same policy, tasks and seed."""
    line: dict[str, Any] = RunFolder(start.folder).read_evaluations()[0]
    write_text(folder.evaluations_file, json.dumps(line) + "\n")
