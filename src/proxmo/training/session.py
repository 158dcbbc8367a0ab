"""The state of a run under way: policy, optimizer, and what is on disk of it."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from proxmo.cold_start.make import cold_start
from proxmo.config import BUILTIN, SftConfig, TrainConfig, config_dict, load_config
from proxmo.credit import Credit, method_of
from proxmo.envs.base import TextEnv
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError, ProxmoError
from proxmo.files import is_new, locked, remove, remove_unfinished, whole
from proxmo.policies.transformers import TransformersPolicy, load_policy
from proxmo.training.checkpoint import (
    digest,
    found_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from proxmo.training.interruption import held_back
from proxmo.training.processes import Processes
from proxmo.training.reporter import Reporter
from proxmo.training.run_folder import RunFolder, config_file
from proxmo.training.start import (
    Start,
    changed_setting,
    check_start,
    read_start,
    start_of,
    write_start,
)
from proxmo.types import Trajectory

Evaluate = Callable[[TransformersPolicy], dict[str, Any]]
"""Measures a policy on tasks of its own; the result, ready for JSON, is recorded as it is."""

SMALL_MODEL = 50_000_000
"""Weights below which a model, such as the built-in one, takes the large learning rate."""


class Session:
    """One run, from `open` to `finish`, on every process that takes part in it."""

    run: RunFolder
    policy: TransformersPolicy
    optimizer: torch.optim.Optimizer

    def __init__(
        self, config: TrainConfig, spec: EnvSpec, resume: Path | None, reporter: Reporter
    ) -> None:
        self.config = config
        self.spec = spec
        self.resumed_from = resume
        self.reporter = reporter
        self.done = 0
        """Updates made."""
        self.opened = False
        self._updating = False
        self._evaluated: set[int] = set()
        """Updates after which an evaluation is recorded. Not looked up in the file, which one
        process may have written to before another looks."""
        self._seconds: dict[str, float] = {}
        self._held = ExitStack()
        """What is let go of at the end: the lock of the run folder."""
        tracker = config.run.tracker
        if tracker != "none" and find_spec(tracker) is None:
            raise InputError(
                f"run.tracker is {tracker!r}, whose package is not installed; install it with: "
                "pip install 'proxmo[trackers]'"
            )

    def open(self) -> None:
        """Load the policy, then make or rewind the run folder: bad input leaves no trace."""
        config = self.config
        found = _resumable(self.resumed_from, config) if self.resumed_from else None
        self.processes = Processes()
        if found is not None:
            self._hold(found)
        with self.processes.first_goes_first():
            source = self._starting_model(found)
            # Of LoRA's first weights: alike on all processes and after a resume, though only one
            # of them may just have trained the built-in policy.
            torch.manual_seed(config.run.seed)
            policy = load_policy(
                dataclasses.replace(config.policy, model=source),
                trainable=True,
                prompt_tokens=self.spec.prompt_tokens,
                codec=self.spec.make_codec(),
            )
        weights = digest(policy.model)
        max_steps = config.env.max_steps or self.spec.max_steps
        data = self.spec.fingerprint(config.env.data)
        start = start_of(config, data, max_steps, policy.settings)
        if found is not None:
            self._check_start(found, start, weights, source)
        if config.optim.kl > 0:
            policy.keep_reference()
        self.policy = policy
        self.optimizer = torch.optim.AdamW(
            [parameter for parameter in policy.model.parameters() if parameter.requires_grad],
            lr=learning_rate(config, policy),
            weight_decay=config.optim.weight_decay,
        )
        if found is not None:
            self._load_newest(found)
        self.run = found or self._new_folder()
        if self.processes.is_first:
            self.run.write_config(config)  # first: a folder with settings can be resumed
            if self.run.read_digest() is None:
                self.run.write_digest(weights)
            if read_start(self.run.start_file) is None:
                write_start(self.run.start_file, start)
            if config.policy.model == BUILTIN and not self.run.start.exists():
                with whole(self.run.start) as path:
                    shutil.copytree(source, path)
            if found is not None:
                self._go_on()
        self.processes.wait()
        self._evaluated = {line["update"] for line in self.run.read_evaluations()}
        self.processes.wait()  # before the first process adds to them
        self._open_tracker()
        self.opened = True
        if self.processes.is_first:
            self.reporter.begun(self.run.folder, self.done)

    def close(self) -> None:
        """Let go of the run folder."""
        self._held.close()

    def finish(self) -> None:
        """Write the last checkpoint and the model, in Hugging Face format."""
        self.save()
        if self.processes.is_first:
            with whole(self.run.model) as path:
                path.mkdir()
                self.policy.save(path)
        self.processes.end()

    def save(self) -> None:
        """Write a checkpoint of the state as it is, unless there is one or it is half changed."""
        if not self.opened or self._updating or not self.processes.is_first:
            return
        self.run.check_there()
        if self.done not in found_checkpoints(self.run.checkpoints):
            save_checkpoint(
                self.run.checkpoints,
                self.done,
                self.policy.model,
                self.optimizer,
                self.config.run.keep_checkpoints,
            )

    def make_env(self) -> TextEnv:
        """An environment for one episode."""
        options = {"graded": True} if self.config.env.reward == "score" else {}
        return self.spec.make(max_steps=self.config.env.max_steps, **options)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Measure a part of an update; recorded with its metrics as `seconds/...`."""
        began = time.perf_counter()
        yield
        self._seconds[f"seconds/{what}"] = time.perf_counter() - began

    @contextmanager
    def updating(self) -> Iterator[None]:
        """While weights change: a signal waits for the end of the block; a second one does not."""
        with held_back():
            self._updating = True
            yield
            self._updating = False

    def record_update(
        self, metrics: dict[str, float], trajectories: Sequence[Trajectory], credit: Credit
    ) -> None:
        """Count the update that was just made and write down all that is known of it.

        It is told of when all is on disk: who hears of it may fail, on a terminal that was closed.
        """
        update = self.done + 1
        metrics = metrics | self._seconds
        if self.processes.is_first:
            self.run.check_there()
            if self.config.run.save_trajectories:
                self.run.write_trajectories(update, trajectories, credit)
            self.run.append_metrics(update, metrics)
        self.processes.log(metrics, update)
        self.done, self._updating = update, False
        if self.done % self.config.run.checkpoint_every == 0:
            self.save()
        if self.processes.is_first:
            self.reporter.updated(update, metrics)

    def is_evaluation_due(self) -> bool:
        """Whether the policy is to be evaluated as it is now, and was not yet."""
        every, updates = self.config.run.eval_every, self.config.optim.updates
        due = self.done in (0, updates) or (every > 0 and self.done % every == 0)
        return due and self.done not in self._evaluated

    def record_evaluation(self, evaluate: Evaluate) -> None:
        """Evaluate on the first process; the others wait."""
        self._evaluated.add(self.done)
        if self.processes.is_first:
            evaluation = evaluate(self.policy)
            self.run.check_there()
            self.run.append_evaluation(self.done, evaluation)
            self.reporter.evaluated(self.done, evaluation)
            success = evaluation.get("overall", {}).get("success")
            if success is not None:
                self.processes.log({"evaluation/success_rate": success}, self.done)
        self.processes.wait()

    def _starting_model(self, found: RunFolder | None) -> str:
        """What to load: for the built-in policy, its folder, which is made where there is none."""
        config = self.config
        if config.policy.model != BUILTIN:
            return config.policy.model
        if found is not None and found.start.exists():
            return str(found.start)
        return str(
            cold_start(
                self.spec,
                config.env.data,
                SftConfig(),
                max_steps=config.env.max_steps,
                noise=config.env.noise,
                report=self.reporter.cold_start if self.processes.is_first else None,
            )
        )

    def _new_folder(self) -> RunFolder:
        """A folder for the run, made by the first process and known to all."""
        made: str | ProxmoError = ""
        if self.processes.is_first:
            try:
                made = str(new_folder(self.config, self.spec.name))
                self._held.enter_context(locked(RunFolder(Path(made)).lock, f"run {made}"))
            except ProxmoError as error:
                made = error
        return RunFolder(Path(self.processes.told_by_first(made)))

    def _hold(self, found: RunFolder) -> None:
        """Take hold of a run's folder against other processes; the first does so for all."""
        refused: ProxmoError | None = None
        if self.processes.is_first:
            try:
                self._held.enter_context(locked(found.lock, f"run {found.folder}"))
            except ProxmoError as error:
                refused = error
        self.processes.told_by_first(refused)

    def _check_start(self, found: RunFolder, now: Start, weights: str, source: str) -> None:
        """Refuse to go on with other weights, data, prompts or settings."""
        if found.read_digest() not in (None, weights):
            raise InputError(
                f"--resume {found.folder} began with other weights than {source} has now; put "
                "them back, or start a new run"
            )
        began = read_start(found.start_file)
        if began is not None:
            check_start(found.folder, began, now)

    def _load_newest(self, found: RunFolder) -> None:
        """Go on after the newest checkpoint, if there is one."""
        checkpoints = found_checkpoints(found.checkpoints)
        if checkpoints:
            newest = max(checkpoints)
            load_checkpoint(checkpoints[newest], self.policy.model, self.optimizer)
            self.done = newest

    def _go_on(self) -> None:
        """Forget what was recorded after the checkpoint."""
        self.run.rewind(self.done)
        if self.done < self.config.optim.updates:
            remove(self.run.model)  # of a run that has become longer: not its end now

    def _open_tracker(self) -> None:
        tracker = self.config.run.tracker
        if tracker == "none":
            return
        settings = {
            f"{section}.{key}": value
            for section, table in config_dict(self.config).items()
            for key, value in table.items()
        }
        self.processes.open_tracker(tracker, self.run.folder, settings)


def learning_rate(config: TrainConfig, policy: TransformersPolicy) -> float:
    """The rate asked for, or the one that suits the size of what is trained."""
    if config.optim.learning_rate is not None:
        return config.optim.learning_rate
    if sum(parameter.numel() for parameter in policy.model.parameters()) < SMALL_MODEL:
        return 3e-4
    return 1e-5 if policy.is_lora else 1e-6  # the latter is the paper's, for full-size models


def new_folder(config: TrainConfig, name: str) -> Path:
    """Make the folder of a new run: the one asked for, or the next in `runs/` of environment
    `name`."""
    if config.run.out is not None:
        folder = Path(config.run.out)
        if not is_new(folder):
            raise InputError(
                f"--out {folder} exists; give another folder, or go on with --resume {folder}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)  # of one that was killed while it began
        return folder
    number = 1
    while True:
        folder = Path("runs", f"{name}-{method_of(config.credit)}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def _resumable(folder: Path, config: TrainConfig) -> RunFolder:
    """The run in `folder`, if it can go on with `config`."""
    change = changed_setting(load_config(config_file(folder)), config)
    if change is not None:
        name, old, new = change
        raise InputError(
            f"--resume {folder} began with {name} = {old!r} and cannot go on with {new!r}; "
            "start a new run for other settings"
        )
    run = RunFolder(folder)
    made = max(found_checkpoints(run.checkpoints), default=0)
    if made > config.optim.updates:
        raise InputError(
            f"--resume {folder} has made {made} updates, more than the {config.optim.updates} "
            "asked for; ask for as many (--updates) or more"
        )
    return run
