"""`proxmo train`: train an agent, show how it goes, say what came of it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from proxmo.commands.console import make_console
from proxmo.commands.options import parse_options
from proxmo.config import TrainConfig, load_config, with_method
from proxmo.credit import CREDIT, check_option, method_of
from proxmo.envs import registry
from proxmo.errors import InputError
from proxmo.evaluation.tasks import sample_tasks
from proxmo.training.run_folder import config_file

if TYPE_CHECKING:
    from proxmo.episodes.play import RolloutProgress
    from proxmo.policies.base import Policy

CURVE_FILE = "learning_curve.png"


@dataclass(frozen=True)
class TrainOptions:
    """Train an agent. With no options: the small built-in policy, ProxMO, generated games."""

    settings: Annotated[TrainConfig, arg(name="")]
    method: Annotated[
        str,
        arg(name="credit.method", aliases=["--method"], metavar=f"{{{','.join(CREDIT)}}}"),
    ]
    """Credit method; the options below are its own (`--method NAME --help`: those of another)."""
    config: Path | None = None
    """TOML file with settings; options given here win over it."""
    resume: Path | None = None
    """Folder of a run to continue where it stopped, with its own settings; more --updates may
    be asked for."""


def main(arguments: Sequence[str]) -> None:
    """Train; progress while it runs, then a table, a picture and what to do next."""
    options = _options(arguments)
    config = options.settings
    measure = _measure(config)
    # Seconds of imports, torch among them: only once the options are right.
    from proxmo.commands.watch import Watcher, show_result
    from proxmo.progress import Bars
    from proxmo.training.loop import train

    # Of several processes that train together, the first one speaks.
    first = os.environ.get("RANK", "0") == "0"
    console = make_console(quiet=not first)
    with Bars(console) as bars:
        watcher = Watcher(console, bars, config.optim.updates, config.rollout.failed_episodes)
        result = train(
            config,
            evaluate=partial(measure, on_progress=watcher.evaluation),
            resume=options.resume,
            reporter=watcher,
        )
    if first:
        show_result(console, config, result, result.folder / CURVE_FILE, watcher.first_error)


def _measure(config: TrainConfig) -> Callable[..., dict[str, Any]]:
    """What evaluates a policy: always on the same tasks, with the same seeds."""
    spec = registry.get(config.env.name)
    found = spec.load_tasks(config.env.eval_split, config.env.data, config.run.seed)
    tasks = sample_tasks(found, config.run.eval_tasks, config.run.seed)

    def measure(policy: Policy, on_progress: Callable[[RolloutProgress], None]) -> dict[str, Any]:
        from proxmo.evaluation.evaluate import evaluate

        evaluation = evaluate(
            policy,
            lambda: spec.make(max_steps=config.env.max_steps),
            tasks,
            seed=config.run.seed,
            timeout=config.env.timeout,
            noise=config.env.noise,
            failed_episodes=config.rollout.failed_episodes,
            on_progress=on_progress,
        )
        return evaluation.to_dict()

    return measure


def _options(arguments: Sequence[str]) -> TrainOptions:
    """Options over the settings of `--config` or `--resume` over the defaults.

    The method is read first: it decides which options of credit there are.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--config", type=Path, nargs="?")
    early.add_argument("--resume", type=Path, nargs="?")
    early.add_argument("--method", "--credit.method", nargs="?")
    given, _ = early.parse_known_args(arguments)
    if given.config and given.resume:
        raise InputError("--config and --resume exclude each other: a run has its own settings")
    file = config_file(given.resume) if given.resume else given.config
    settings = TrainConfig() if file is None else load_config(file)
    if given.method:
        settings = with_method(settings, given.method)
    method = method_of(settings.credit)
    for argument in arguments:
        flag, _, option = argument.partition("=")[0].partition("--credit.")
        if not flag and option and option != "method":
            check_option(method, option.replace("-", "_"))
    default = TrainOptions(settings, method)
    return parse_options(TrainOptions, arguments, prog="proxmo train", default=default)
