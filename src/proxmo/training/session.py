"""The state of a run under way: policy, optimizer, processes, and what is on disk of it."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, broadcast_object_list, gather_object

from proxmo.cold_start.sft import SftProgress, cold_start
from proxmo.config import BUILTIN, SftConfig, TrainConfig, config_dict, load_config
from proxmo.credit import Credit, method_of
from proxmo.envs.base import Task, TextEnv
from proxmo.envs.spec import EnvSpec
from proxmo.episodes.play import RolloutProgress
from proxmo.errors import InputError
from proxmo.files import whole
from proxmo.policies.transformers import TransformersPolicy, load_policy
from proxmo.training.checkpoint import (
    digest,
    found_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from proxmo.training.run_folder import RunFolder, changed_setting, config_file
from proxmo.types import Trajectory

Evaluate = Callable[[TransformersPolicy], dict[str, Any]]
"""Measures a policy on tasks of its own; the result, ready for JSON, is recorded as it is."""

SMALL_MODEL = 50_000_000
"""Weights below which a model, such as the built-in one, takes the large learning rate."""

_PATIENCE = timedelta(days=7)
"""How long processes wait for one that works alone, as the first does while it evaluates; by
default they die after ten minutes. One that fails ends the others through its launcher."""


class Reporter:
    """Hears how training goes; this one tells nobody. Override what is of interest."""

    def cold_start(self, progress: SftProgress) -> None:
        """The built-in policy is being made."""

    def begun(self, folder: Path, done: int) -> None:
        """The run in `folder` begins, or goes on after `done` updates."""

    def rollout(self, update: int, progress: RolloutProgress) -> None:
        """The episodes of an update advance."""

    def optimizing(self, update: int, done: int, total: int) -> None:
        """`done` of `total` token sequences went through the loss."""

    def updated(self, update: int, metrics: dict[str, float]) -> None:
        """An update is done and recorded."""

    def evaluated(self, update: int, evaluation: dict[str, Any]) -> None:
        """An evaluation after `update` updates is done and recorded."""


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
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
        )
        with self.accelerator.main_process_first():
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
        if found is not None and found.read_digest() not in (None, weights):
            raise InputError(
                f"--resume {found.folder} began with other weights than {source} has now; put "
                "them back, or start a new run"
            )
        if config.optim.kl > 0:
            policy.keep_reference()
        self.policy = policy
        self.optimizer = torch.optim.AdamW(
            [parameter for parameter in policy.model.parameters() if parameter.requires_grad],
            lr=learning_rate(config, policy),
            weight_decay=config.optim.weight_decay,
        )
        self.run = found or self._new_folder()
        if self.accelerator.is_main_process:
            self.run.write_config(config)  # first: a folder with settings can be resumed
            if not found_checkpoints(self.run.checkpoints):  # it starts now, from these
                self.run.write_digest(weights)
            if config.policy.model == BUILTIN and not self.run.start.exists():
                with whole(self.run.start) as path:
                    shutil.copytree(source, path)
        if found is not None:
            self._go_on()
        self.accelerator.wait_for_everyone()
        self._evaluated = {line["update"] for line in self.run.read_evaluations()}
        self.accelerator.wait_for_everyone()  # before the first process adds to them
        self._open_tracker()
        self.opened = True
        if self.accelerator.is_main_process:
            self.reporter.begun(self.run.folder, self.done)

    def finish(self) -> None:
        """Write the last checkpoint and the model, in Hugging Face format."""
        self.save()
        if self.accelerator.is_main_process:
            with whole(self.run.model) as path:
                path.mkdir()
                self.policy.save(path)
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()

    def save(self) -> None:
        """Write a checkpoint of the state as it is, unless there is one or it is half changed."""
        if not self.opened or self._updating or not self.accelerator.is_main_process:
            return
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
    def timed(self, what: str) -> Iterator[None]:
        """Measure a part of an update; recorded with its metrics as `seconds/...`."""
        began = time.perf_counter()
        yield
        self._seconds[f"seconds/{what}"] = time.perf_counter() - began

    @contextmanager
    def updating(self) -> Iterator[None]:
        """While weights change: Ctrl-C waits for the end of the block; a second one does not."""
        with _interrupted_later():
            self._updating = True
            yield
            self._updating = False

    def record_update(
        self, metrics: dict[str, float], trajectories: Sequence[Trajectory], credit: Credit
    ) -> None:
        """Count the update that was just made and write down all that is known of it."""
        update = self.done + 1
        metrics = metrics | self._seconds
        if self.accelerator.is_main_process:
            if self.config.run.save_trajectories:
                self.run.write_trajectories(update, trajectories, credit)
            self.run.append_metrics(update, metrics)
            self.reporter.updated(update, metrics)
        self.accelerator.log(metrics, step=update)
        self.done, self._updating = update, False
        if self.done % self.config.run.checkpoint_every == 0:
            self.save()

    def is_evaluation_due(self) -> bool:
        """Whether the policy is to be evaluated as it is now, and was not yet."""
        every, updates = self.config.run.eval_every, self.config.optim.updates
        due = self.done in (0, updates) or (every > 0 and self.done % every == 0)
        return due and self.done not in self._evaluated

    def record_evaluation(self, evaluate: Evaluate) -> None:
        """Evaluate on the first process; the others wait."""
        self._evaluated.add(self.done)
        if self.accelerator.is_main_process:
            evaluation = evaluate(self.policy)
            self.run.append_evaluation(self.done, evaluation)
            self.reporter.evaluated(self.done, evaluation)
            success = evaluation.get("overall", {}).get("success")
            if success is not None:
                self.accelerator.log({"evaluation/success_rate": success}, step=self.done)
        self.accelerator.wait_for_everyone()

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
                report=self.reporter.cold_start if self.accelerator.is_main_process else None,
            )
        )

    def _new_folder(self) -> RunFolder:
        """A folder for the run, made by the first process and known to all."""
        made = [""]
        if self.accelerator.is_main_process:
            made = [str(new_folder(self.config, self.spec.name))]
        broadcast_object_list(made)
        return RunFolder(Path(made[0]))

    def _go_on(self) -> None:
        checkpoints = found_checkpoints(self.run.checkpoints)
        if checkpoints:
            self.done = max(checkpoints)
            load_checkpoint(checkpoints[self.done], self.policy.model, self.optimizer)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.run.rewind(self.done)
            if self.done < self.config.optim.updates and self.run.model.exists():
                shutil.rmtree(self.run.model)  # of a run that has become longer: not its end now

    def _open_tracker(self) -> None:
        tracker = self.config.run.tracker
        if tracker == "none":
            return
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(), log_with=tracker, project_dir=self.run.folder
        )
        settings = {
            f"{section}.{key}": value
            for section, table in config_dict(self.config).items()
            for key, value in table.items()
        }
        self.accelerator.init_trackers("proxmo", config=settings)


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
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                f"--out {folder} exists; give another folder, or go on with --resume {folder}"
            )
        folder.mkdir(parents=True, exist_ok=True)
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


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends; a second one is not held back."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    pressed = False

    def note(*_: object) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
