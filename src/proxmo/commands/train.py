"""`proxmo train`: train an agent, show how it goes, say what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import arg

from proxmo.commands.options import parse_options
from proxmo.config import TrainConfig, load_config
from proxmo.errors import InputError


@dataclass(frozen=True)
class TrainOptions:
    """Train an agent. With no options: the small built-in policy, ProxMO, generated games."""

    settings: Annotated[TrainConfig, arg(name="")]
    config: Path | None = None
    """TOML file with settings; options given here win over it."""
    resume: Path | None = None
    """Folder of a run to continue where it stopped, with its own settings."""


def main(arguments: Sequence[str]) -> None:
    """Train; progress while it runs, then a table, a picture and what to do next."""
    options = _options(arguments)


def _options(arguments: Sequence[str]) -> TrainOptions:
    """Options over the settings of `--config` or `--resume` over the defaults."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--config", type=Path, nargs="?")
    early.add_argument("--resume", type=Path, nargs="?")
    given, _ = early.parse_known_args(arguments)
    if given.config and given.resume:
        raise InputError("--config and --resume exclude each other: a run has its own settings")
    file = given.resume / CONFIG_FILE if given.resume else given.config
    if given.resume and not file.is_file():
        raise InputError(f"--resume {given.resume} is not a run: it has no {CONFIG_FILE}")
    settings = TrainConfig() if file is None else load_config(file)
    return parse_options(
        TrainOptions, arguments, prog="proxmo train", default=TrainOptions(settings)
    )
