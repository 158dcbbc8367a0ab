"""`proxmo sft`: make the built-in policy from expert demonstrations."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass
from tyro.conf import arg

from proxmo.commands.console import make_console
from proxmo.commands.options import parse_options
from proxmo.config import SftConfig, Share
from proxmo.envs import registry
from proxmo.progress import Bars


@dataclass(frozen=True)
class SftOptions:
    """Make the built-in policy: a small model that imitates the expert, and not for long.

    Deliberately under-trained: it is where `proxmo train` starts. The result is cached in
    $PROXMO_CACHE (default ~/.cache/proxmo) and made again only when these options change.
    """

    env: str = registry.DEFAULT
    """Environment: a name of the registry, or `module:NAME` of an `EnvSpec`."""
    data: Annotated[str | None, arg(aliases=["--games"])] = None
    """Data of the environment, a file or a folder; none: what the environment's variable says, else
    generated tasks."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Most steps of a demonstration; none: the environment's own."""
    noise: Share = 0.0
    """Share of observations with a sentence that says nothing of the task, in [0, 1]: a policy
    that is to act among noise learns to pass over it."""
    out: Path | None = None
    """Folder for the model; none: the cache."""
    sft: SftConfig = dataclasses.field(default_factory=SftConfig)


def main(arguments: Sequence[str]) -> None:
    """Make the policy, or find it where it was made before, and say where it is."""
    options = parse_options(SftOptions, arguments, prog="proxmo sft", default=SftOptions())
    spec = registry.get(options.env)
    from proxmo.cold_start.make import cold_start  # seconds of imports, torch among them
    from proxmo.cold_start.recipe import shown_in

    console = make_console()
    with Bars(console) as bars:
        folder = cold_start(
            spec,
            options.data,
            options.sft,
            max_steps=options.max_steps,
            noise=options.noise,
            folder=options.out,
            report=bars.cold_start,
        )
    console.print(f"built-in policy in {folder}; {shown_in(folder)}")
    env = "" if options.env == SftOptions.env else f" --env {options.env}"
    noise = f" --noise {options.noise:g}" if options.noise else ""
    data = f" --data {shlex.quote(options.data)}" if options.data else ""
    told = f"{env}{data}{noise} --model {shlex.quote(str(folder))}"
    console.print(f"next: proxmo evaluate{told}, or proxmo train{told}")
