"""`proxmo generate`: write generated games."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from proxmo.commands.console import make_console
from proxmo.commands.options import parse_options
from proxmo.envs.alfworld.generator.games import generate_games, write_games
from proxmo.errors import InputError


@checked(frozen=True)
class GenerateOptions:
    """Write generated ALFWorld games in the official format, for this engine or ALFWorld's."""

    out: Path
    """Folder to write to; games land in OUT/<split>/<task>/<trial>."""
    count: Annotated[int, Field(ge=1)] = 100
    """How many games, at least 1."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed, at least 0: the same seed and split give the same games; more games begin with the
    same ones."""
    split: str = "train"
    """One of ALFWorld's split names; different splits have no game in common."""


def main(arguments: Sequence[str]) -> None:
    """Write the games and say where they are."""
    options = parse_options(GenerateOptions, arguments, prog="proxmo generate")
    if options.out.exists() and not options.out.is_dir():
        raise InputError(f"--out {options.out} is a file; give a folder")
    games = generate_games(options.seed, options.count, split=options.split)
    try:
        paths = write_games(games, options.out)
    except OSError as error:
        raise InputError(f"--out {options.out}: cannot write there ({error.strerror})") from error
    console = make_console()
    console.print(f"{len(paths)} games in {options.out / options.split}")
    console.print(
        f"next: proxmo evaluate --model builtin --games {options.out} --split {options.split}"
    )
