"""`proxmo generate`: write generated tasks as data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from proxmo.commands.console import make_console
from proxmo.commands.options import parse_options
from proxmo.envs import registry
from proxmo.errors import InputError


@checked(frozen=True)
class GenerateOptions:
    """Write an environment's generated tasks as data, in its official format."""

    out: Path
    """Folder to write to."""
    env: str = registry.DEFAULT
    """Environment: a name of the registry, or `module:NAME` of an `EnvSpec`."""
    count: Annotated[int, Field(ge=1)] = 100
    """How many tasks, at least 1."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed, at least 0: the same seed and split give the same tasks; more tasks begin with the
    same ones."""
    split: str = "train"
    """Split, one of the environment's; different splits have no task in common."""


def main(arguments: Sequence[str]) -> None:
    """Write the tasks and say where they are."""
    options = parse_options(GenerateOptions, arguments, prog="proxmo generate")
    spec = registry.get(options.env)
    if options.out.exists() and not options.out.is_dir():
        raise InputError(f"--out {options.out} is a file; give a folder")
    try:
        paths = spec.write_tasks(options.out, options.split, options.seed, options.count)
    except OSError as error:
        raise InputError(f"--out {options.out}: cannot write there ({error.strerror})") from error
    console = make_console()
    console.print(f"{options.count} tasks in {len(paths)} files below {options.out}")
    console.print(
        f"next: proxmo evaluate --model builtin --env {options.env} --data {options.out} "
        f"--split {options.split}"
    )
