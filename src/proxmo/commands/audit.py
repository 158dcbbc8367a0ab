"""`proxmo audit`: what steps were really worth, and which method says so."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass
from rich.console import Console
from tyro.conf import arg

import proxmo
from proxmo.commands.console import make_console
from proxmo.commands.models import model_named
from proxmo.commands.options import parse_options
from proxmo.config import BUILTIN, PolicyConfig, Share, TemplateOptions
from proxmo.envs import registry
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError, ProxmoError
from proxmo.evaluation.tasks import sample_tasks
from proxmo.files import locked
from proxmo.progress import Bars
from proxmo.training.interruption import stoppable

if TYPE_CHECKING:
    from proxmo.audit import TaskRecord
    from proxmo.audit.folder import AuditFolder
    from proxmo.audit.play import AuditSettings
    from proxmo.audit.workers import Player
    from proxmo.credit import Estimator
    from proxmo.envs.base import Task

METHODS = (
    "proxmo",
    "proxmo-step",
    "proxmo-step:lam=0",
    "proxmo-step:leave_one_out=true",
    "grpo",
    "gigpo",
    "hgpo",
    "graphgpo",
    "g2po",
    "bellman",
    "bellman:similarity=tfidf",
    "turn-index",
)
"""Methods that are judged unless the user names others; differences are from the first."""


@dataclass(frozen=True)
class AuditOptions:
    """Credit against the truth: play on from every step of some episodes, to see what each was
    really worth, and judge what credit methods say of the same steps.

    What was played is kept: the same command goes on after a stop, and judges other methods, other
    noise or another discount without playing anything again.
    """

    model: str = BUILTIN
    """A run folder, a model folder, a Hugging Face id, a `.gguf` file or `builtin`."""
    env: str = registry.DEFAULT
    """Environment: a name of the registry, or `module:NAME` of an `EnvSpec`."""
    data: Annotated[str | None, arg(aliases=["--games"])] = None
    """Data of the environment, a file or a folder; none: what the environment's variable says, else
    generated tasks."""
    split: str = "valid"
    """Split to draw tasks from; `valid`: tasks that training never sees."""
    reward: Literal["success", "score"] = "success"
    """What is rewarded, as in training: `success`, or the environment's own `score`."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Most steps of an episode, at least 1; none: the environment's own."""
    tasks: Annotated[int, Field(ge=2)] = 24
    """Tasks, drawn with the seed, at least 2: intervals are over tasks."""
    group_size: Annotated[int, Field(ge=2)] = 8
    """Episodes sampled of a task, as in training (paper: 8), at least 2."""
    trajectories: Annotated[int, Field(ge=1)] = 2
    """Episodes of a task that are audited step by step, at least 1."""
    continuations: Annotated[int, Field(ge=2)] = 16
    """How often each of their steps is played on from, an even number."""
    methods: tuple[str, ...] = METHODS
    """Methods to judge, with options as in `proxmo:lam=0,temperature=0.05`; differences are from
    the first."""
    noise: tuple[Share, ...] = (0.0,)
    """Shares of the observations, in [0, 1], that read with noise for the methods: the same
    episodes once more for each. The policy played without; see `--env-noise`."""
    env_noise: Share = 0.0
    """Share of the observations that have noise for the policy, too, as `--env.noise` of `proxmo
    train` gives them."""
    gamma: Share = 0.95
    """Discount of the truth, in [0, 1]; methods have their own."""
    invalid_action_penalty: Annotated[float, Field(ge=0)] | None = None
    """What methods charge for an invalid action, at least 0; none: each its own. The truth is of
    the reward alone."""
    draws: Annotated[int, Field(ge=1)] = 2
    """Groups that are drawn anew around every step, on each of two sides, to tell bias and noise
    apart."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of tasks and sampling, at least 0."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Sampling temperature, > 0."""
    timeout: Annotated[float, Field(gt=0)] | None = None
    """Seconds that a call to the environment may take, > 0; none: it is waited for."""
    jobs: Annotated[int | None, Field(ge=1), arg(aliases=["-j"])] = None
    """Processes that play at once, at least 1; none: one per core, or one where there is a GPU."""
    out: Path | None = None
    """Folder of the audit; none: `audits/<env>-<number>`."""
    context: Literal["auto", "window", "conversation"] = "auto"
    """How the model sees the past; `auto`: as it was trained, else the paper's window."""
    prompt: Literal["auto", "compact", "numbered", "think"] = "auto"
    """Format of prompt and response; `auto`: as it was trained, else the paper's think."""
    template: TemplateOptions = field(default_factory=dict)
    """Variables of the chat template, such as `enable_thinking=false`."""


def main(arguments: Sequence[str]) -> None:
    """Play what is not played yet, judge, and write tables, figures and the page."""
    options = parse_options(AuditOptions, arguments, prog="proxmo audit")
    from proxmo.audit.folder import AuditFolder
    from proxmo.audit.methods import methods_named

    estimators = methods_named(options.methods, options.invalid_action_penalty)
    settings = _settings(options)
    spec = registry.get(options.env)
    found = spec.load_tasks(options.split, options.data, options.seed)
    tasks = sample_tasks(found, options.tasks, options.seed)
    if len(tasks) < 2:
        raise InputError(f"{options.split} has {len(tasks)} task; intervals need at least 2")
    console = make_console()
    folder = AuditFolder(options.out or _new_folder(options))
    with (
        locked(folder.lock, f"the audit in {folder.folder}"),
        stoppable(),
        Bars(console) as bars,
    ):
        player = _player(options, spec, settings, bars)
        folder.begin(_record(options, spec, player))
        records = _play(folder, player, tasks, _jobs(options), bars)
        _judge(options, folder, records, estimators, console, bars)


def _settings(options: AuditOptions) -> AuditSettings:
    from proxmo.audit.play import AuditSettings

    return AuditSettings(
        group_size=options.group_size,
        trajectories=options.trajectories,
        continuations=options.continuations,
        seed=options.seed,
        temperature=options.temperature,
        noise=options.env_noise,
        timeout=options.timeout,
    )


def _new_folder(options: AuditOptions) -> Path:
    """The first of `audits/<env>-1`, `-2`, … that is not there."""
    name = options.env.rpartition(":")[2].lower()
    number = 1
    while (folder := Path("audits") / f"{name}-{number}").exists():
        number += 1
    return folder


def _player(options: AuditOptions, spec: EnvSpec, settings: AuditSettings, bars: Bars) -> Player:
    from proxmo.audit.workers import Player

    model = model_named(
        options.model, spec, options.data, options.max_steps, options.env_noise, bars
    )
    graded = {"graded": True} if options.reward == "score" else {}
    if graded and not spec.graded:
        raise InputError(f"environment {spec.name!r} gives no score; leave --reward at success")
    return Player(
        policy=PolicyConfig(
            model=model, context=options.context, prompt=options.prompt, template=options.template
        ),
        env=options.env,
        prompt_tokens=spec.prompt_tokens,
        options={"max_steps": options.max_steps, **graded},
        settings=settings,
    )


def _record(options: AuditOptions, spec: EnvSpec, player: Player) -> dict[str, Any]:
    """All that what is played depends on, but for which tasks: of those, more may be played."""
    from proxmo.training.checkpoint import digest

    policy: Any = player.load()
    told = {k: v for k, v in dataclasses.asdict(policy.settings).items() if v is not None}
    return {
        "proxmo": proxmo.__version__,
        "model": digest(policy.model),
        "prompt": told,
        "env": spec.name,
        "data": spec.fingerprint(options.data),
        "split": options.split,
        "reward": options.reward,
        "max_steps": options.max_steps or spec.max_steps,
        **dataclasses.asdict(player.settings),
    }


def _jobs(options: AuditOptions) -> int:
    if options.jobs is not None:
        return options.jobs
    import torch

    if torch.cuda.is_available():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _play(
    folder: AuditFolder, player: Player, tasks: Sequence[Task], jobs: int, bars: Bars
) -> list[TaskRecord]:
    """The records of all tasks; those that are not there are played."""
    from proxmo.audit.workers import play_tasks

    left = [task for task in tasks if not folder.has(task.id)]
    done = len(tasks) - len(left)
    bars.show("tasks", done, len(tasks))
    turns = 0
    for record in play_tasks(player, left, jobs) if left else ():
        folder.keep(record)
        done, turns = done + 1, turns + record.turns
        bars.show("tasks", done, len(tasks), f"{turns:,} turns")
    return [folder.read(task.id) for task in tasks]


def _judge(
    options: AuditOptions,
    folder: AuditFolder,
    records: Sequence[TaskRecord],
    estimators: dict[str, Estimator],
    console: Console,
    bars: Bars,
) -> None:
    from proxmo.audit.judge import judge
    from proxmo.audit.report import write_audit
    from proxmo.audit.tables import summary

    broken = [record for record in records if record.errors]
    if not any(record.audited for record in records):
        raise ProxmoError(
            "the environment broke off so many episodes that no task has two left to compare; the "
            f"first error was: {next(r.first_error for r in records if r.first_error)}"
        )
    findings = judge(
        records,
        estimators,
        gamma=options.gamma,
        noise=options.noise,
        draws=options.draws,
        seed=options.seed,
        on_progress=lambda done, total: bars.show("methods", done, total),
    )
    page = write_audit(folder, findings, records, estimators)
    bars.hide_all()
    for line in summary(findings):
        console.print(line)
    if broken:
        count = sum(record.errors for record in broken)
        console.print(
            f"{count} episodes and continuations were broken off by the environment and left out; "
            f"the first said: {broken[0].first_error}"
        )
    console.print(f"report: {page}")
