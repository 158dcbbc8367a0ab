"""The training loop."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from proxmo.config import TrainConfig
from proxmo.envs import registry
from proxmo.envs.base import Task, TaskSet
from proxmo.episodes.metrics import rollout_metrics
from proxmo.episodes.play import rollout
from proxmo.errors import InputError, ProxmoError, Terminated
from proxmo.files import is_disk_full
from proxmo.training.interruption import stoppable
from proxmo.training.reporter import Reporter
from proxmo.training.rows import rows_of
from proxmo.training.session import Evaluate, Session
from proxmo.training.survivors import credit_of
from proxmo.training.update import update_policy
from proxmo.types import Trajectory

SKIPPING = 3
"""Updates in a row with a step left out after which a run is not going anywhere."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to."""

    folder: Path
    metrics: list[dict[str, Any]]
    """One record per update, as in metrics.jsonl."""
    evaluations: list[dict[str, Any]]
    """One record per evaluation, as in evaluations.jsonl."""


def train(
    config: TrainConfig,
    *,
    evaluate: Evaluate | None = None,
    resume: Path | None = None,
    reporter: Reporter | None = None,
) -> RunResult:
    """Train a policy as `config` says, in a run folder of its own, or go on with one.

    `evaluate` measures the policy before, during and after. A run that was stopped, at
    whatever moment, goes on with `resume` from its last checkpoint, to the same numbers as
    if it had never been stopped. Under several processes each does its
    share of the rollouts and of the loss, and the first one writes.

    Raises `InputError` for what cannot be run as asked, before anything is written;
    `ProxmoError` when the disk is full or the folder was deleted; `KeyboardInterrupt`, or its
    kind `Terminated` for SIGTERM and SIGHUP, saying how to go on.
    """
    spec = registry.get(config.env.name)
    if config.env.reward == "score" and not spec.graded:
        raise InputError(
            f"env.reward is 'score', and environment {spec.name!r} gives none; choose 'success'"
        )
    data = spec.data(config.env.data)  # a variable may change; the run's settings do not
    if resume is not None and data != config.env.data:
        raise InputError(
            f"--resume {resume} began with generated tasks, and ${spec.data_variable} now names "
            f"{data}; unset it to go on"
        )
    config = dataclasses.replace(config, env=dataclasses.replace(config.env, data=data))
    tasks = spec.load_tasks(config.env.train_split, config.env.data, seed=config.run.seed)
    if len(tasks) < config.rollout.tasks:
        raise InputError(
            f"rollout.tasks is {config.rollout.tasks}, but split {config.env.train_split!r} has "
            f"{len(tasks)}; take fewer tasks per update, or give more data"
        )
    session = Session(config, spec, resume, reporter or Reporter())
    try:
        with stoppable():
            _run(session, tasks, evaluate)
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise ProxmoError(_stopped(f"the disk is full ({error})", session)) from error
    finally:
        session.close()
    run = session.run
    return RunResult(run.folder, run.read_metrics(), run.read_evaluations())


def _run(session: Session, tasks: TaskSet, evaluate: Evaluate | None) -> None:
    """From start to end; a signal to end saves before it is passed on."""
    try:
        session.open()
        _loop(session, tasks, evaluate)
        session.finish()
    except Terminated as told:
        session.save()
        name = signal.Signals(told.signal).name
        raise Terminated(told.signal, _stopped(f"ended by {name}", session)) from None
    except KeyboardInterrupt:
        session.save()
        raise KeyboardInterrupt(_stopped("interrupted", session)) from None


def _loop(session: Session, tasks: TaskSet, evaluate: Evaluate | None) -> None:
    """Tasks, rollout, credit, loss: once per update."""
    config, skipping = session.config, 0
    while True:
        if evaluate is not None and session.is_evaluation_due():
            session.record_evaluation(evaluate)
        if session.done >= config.optim.updates:
            return
        update = session.done + 1
        drawn = draw_tasks(tasks, config.rollout.tasks, [config.run.seed, update])
        with session.timed("rollout"):
            own = rollout(
                session.policy,
                session.make_env,
                session.processes.share(drawn),
                group_size=config.rollout.group_size,
                seed=rollout_seed(config.run.seed, update),
                temperature=config.rollout.temperature,
                timeout=config.env.timeout,
                noise=config.env.noise,
                on_progress=partial(session.reporter.rollout, update),
            )
            trajectories = session.processes.gather(own, drawn)
        errors = [trajectory.error for trajectory in trajectories if trajectory.error is not None]
        if errors:
            session.reporter.broken_off(update, errors)
        _require_tokens(trajectories)
        with session.timed("credit"):
            credit = credit_of(trajectories, config.credit, config.rollout.failed_episodes)
        with session.updating():
            with session.timed("optim"):
                metrics = update_policy(
                    session.policy,
                    session.optimizer,
                    session.processes.accelerator,
                    rows_of(trajectories, credit.advantage),
                    config.optim,
                    temperature=config.rollout.temperature,
                    seed=[config.run.seed, update],
                    on_progress=partial(session.reporter.optimizing, update),
                )
            played = rollout_metrics(trajectories, config.rollout.failed_episodes)
            metrics = played | credit.diagnostics | metrics
            session.record_update(metrics, trajectories, credit)
        skipping = skipping + 1 if metrics["optim/skipped_steps"] else 0
        if skipping == SKIPPING:
            raise ProxmoError(
                f"steps were left out in {SKIPPING} updates one after another, since their "
                "gradients were not finite; start again with a smaller optim.learning_rate"
            )


def _require_tokens(trajectories: Sequence[Trajectory]) -> None:
    """Raise `ProxmoError` when no episode that did not fail has a sampled token: there is nothing
    to learn from."""
    sound = [trajectory for trajectory in trajectories if not trajectory.failed]
    if any(step.response_ids for trajectory in sound for step in trajectory.steps):
        return
    if not sound:
        raise ProxmoError(
            f"the environment broke off all {len(trajectories)} episodes of an update; the first "
            f"error was: {trajectories[0].error}"
        )
    raise ProxmoError(
        f"none of {len(sound)} episodes got as far as a response; every prompt filled the context"
    )


def draw_tasks(tasks: TaskSet, count: int, seed: list[int]) -> list[Task]:
    """`count` different tasks at random."""
    drawn = np.random.default_rng(seed).choice(len(tasks), size=count, replace=False)
    return [tasks[int(index)] for index in drawn]


def rollout_seed(seed: int, update: int) -> int:
    """What seeds the episodes of an update: nothing but these two numbers."""
    return int(np.random.SeedSequence([seed, update]).generate_state(1)[0])


def _stopped(why: str, session: Session) -> str:
    if not session.opened:
        return f"{why} before the run began; give the same command again"
    return (
        f"{why} after update {session.done}; go on with: proxmo train --resume {session.run.folder}"
    )
