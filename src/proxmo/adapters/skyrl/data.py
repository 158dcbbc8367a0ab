"""The parquet file of tasks that SkyRL's data loader wants.

python -m proxmo.adapters.skyrl.data --env ENV --split train --out train.parquet
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, get_args

from proxmo.adapters.tasks import add_task_options, make_prompter, place_given, write_rows
from proxmo.envs.noise import check_noise
from proxmo.errors import ProxmoError
from proxmo.prompts import PromptStyle


def skyrl_rows(
    places: Sequence[tuple[Any, dict[str, Any]]],
    *,
    style: PromptStyle = "think",
    max_steps: int | None = None,
    episode_seed: int = 0,
    noise: float = 0.0,
) -> list[dict[str, Any]]:
    """A row per task of `proxmo.adapters.tasks.place_tasks`.

    `max_steps` cuts episodes off (None: the environment's default); `episode_seed`, with the
    task, seeds an episode's environment; a share `noise` of the observations has a sentence that
    says nothing of the task (`proxmo.envs.noise`). Raises `InputError` for the style `numbered`
    where the environment has no codec.
    """
    check_noise(noise)
    for env in {place["env"] for _, place in places}:
        make_prompter(env, style)  # here, and not on a worker, is a style refused that it has not
    settings = {"style": style, "max_steps": max_steps or 0, "episode_seed": episode_seed}
    settings |= {"noise": noise}
    return [
        {
            "data_source": f"{place['env']}/{task.task_type}",
            "env_class": "proxmo",
            "prompt": [{"role": "user", "content": f"{place['env']}: {task.id}"}],
            "proxmo": place | settings,
        }
        for task, place in places
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tasks of an environment; returns an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m proxmo.adapters.skyrl.data",
        description="Write the tasks of an environment for SkyRL.",
    )
    add_task_options(parser)
    parser.add_argument("--style", choices=get_args(PromptStyle), default="think")
    parser.add_argument("--max-steps", type=int, help="turns of an episode at most")
    parser.add_argument("--episode-seed", type=int, default=0, help="of environments (default 0)")
    parser.add_argument("--noise", type=float, default=0.0, help="noisy share of observations")
    given = parser.parse_args(arguments)
    try:
        rows = skyrl_rows(
            place_given(given),
            style=given.style,
            max_steps=given.max_steps,
            episode_seed=given.episode_seed,
            noise=given.noise,
        )
    except ProxmoError as error:
        parser.error(str(error))
    write_rows(rows, given.out)
    print(f"{len(rows)} tasks of {given.env} in {given.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
