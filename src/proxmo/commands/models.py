"""The model that a command is to load."""

from __future__ import annotations

from proxmo.config import BUILTIN, SftConfig
from proxmo.envs.spec import EnvSpec
from proxmo.progress import Bars


def model_named(
    name: str, spec: EnvSpec, data: str | None, max_steps: int | None, noise: float, bars: Bars
) -> str:
    """`name`, or for `builtin` the folder of the small policy, which is made if it is not there."""
    if name != BUILTIN:
        return name
    from proxmo.cold_start.make import cold_start  # a second of imports

    made = cold_start(
        spec, data, SftConfig(), max_steps=max_steps, noise=noise, report=bars.cold_start
    )
    return str(made)
