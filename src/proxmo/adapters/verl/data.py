"""The parquet file of tasks that verl's data loader wants.

    python -m proxmo.adapters.verl.data --env alfworld --split train --out train.parquet

A row names a task by environment, split and number, and says that the agent loop `proxmo`
plays it. The prompt in it is shown in logs; the agent loop writes its own at every turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from proxmo.envs import registry
from proxmo.envs.base import Task, TaskSet, TextEnv
from proxmo.errors import InputError, ProxmoError


def task_rows(
    env: str, split: str, path: str | None = None, seed: int = 0, count: int | None = None
) -> list[dict[str, Any]]:
    """A row per task of `env`; the arguments are those of `EnvSpec.load_tasks`.

    `data_source` holds the task type: verl reports validation by it.
    """
    where = {"env": env, "split": split, "path": path or "", "seed": seed, "count": count or 0}
    return [
        {
            "data_source": f"{env}/{task.task_type}",
            "agent_name": "proxmo",
            "prompt": [{"role": "user", "content": f"{env}: {task.id}"}],
            "ability": env,
            "reward_model": {"style": "environment", "ground_truth": ""},
            "extra_info": where | {"index": index, "task": task.id},
        }
        for index, task in enumerate(load_tasks(env, split, path or "", seed, count or 0))
    ]


@lru_cache(maxsize=8)
def load_tasks(env: str, split: str, path: str, seed: int, count: int) -> TaskSet:
    """The tasks, loaded once per process; "" and 0 stand for None."""
    return registry.get(env).load_tasks(split, path or None, seed, count or None)


def task_of(where: Mapping[str, Any]) -> Task:
    """The task that the `extra_info` of a row names.

    Raises:
        InputError: when this machine has other tasks under that number.
    """
    source = [where[name] for name in ("env", "split", "path", "seed", "count")]
    tasks = load_tasks(*source)
    index = int(where["index"])
    if index >= len(tasks) or tasks[index].id != where["task"]:
        raise InputError(
            f"task {index} of {where['env']!r}, split {where['split']!r}, is not "
            f"{where['task']!r} on this machine; give every node the same tasks, and make the "
            "data anew"
        )
    return tasks[index]


def make_env(name: str, max_steps: int | None, options: Mapping[str, Any]) -> TextEnv:
    """A new environment."""
    return registry.get(name).make(max_steps=max_steps, **options)


def write_tasks(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Write the rows as a parquet file, its folder too."""
    import pyarrow
    import pyarrow.parquet

    out.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tasks of an environment; returns an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m proxmo.adapters.verl.data",
        description="Write the tasks of an environment for verl.",
    )
    parser.add_argument("--env", required=True, help=f"one of {', '.join(registry.names())}")
    parser.add_argument("--split", required=True, help="such as train, valid_seen")
    parser.add_argument("--path", help="where the tasks' data is; generated tasks without it")
    parser.add_argument("--seed", type=int, default=0, help="of generated tasks (default 0)")
    parser.add_argument("--count", type=int, help="how many (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="parquet file to write")
    given = parser.parse_args(arguments)
    try:
        rows = task_rows(given.env, given.split, given.path, given.seed, given.count)
    except ProxmoError as error:
        parser.error(str(error))
    write_tasks(rows, given.out)
    print(f"{len(rows)} tasks of {given.env} in {given.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
