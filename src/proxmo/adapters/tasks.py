"""Tasks of registered environments as rows of a framework's data set, and back.

A row says where its task comes from, not what it is: every worker loads the tasks itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from proxmo.envs import registry
from proxmo.envs.base import Task, TaskSet, TextEnv
from proxmo.errors import InputError
from proxmo.prompts import Prompter, PromptStyle

_LOADING = Lock()


def place_tasks(
    env: str, split: str, path: str | None = None, seed: int = 0, count: int | None = None
) -> list[tuple[Task, dict[str, Any]]]:
    """Each task of `env` with its place; the arguments are those of `EnvSpec.load_tasks`."""
    if count is not None and count < 1:
        raise InputError(f"count is {count}; give at least 1")
    # What a variable or the working directory says here is not what they say on a worker.
    data = registry.get(env).data(path)
    if data is not None and Path(data).expanduser().exists():
        data = str(Path(data).expanduser().resolve())
    source = {"env": env, "split": split, "path": data or "", "seed": seed, "count": count or 0}
    tasks = _load_tasks(env, split, data or "", seed, count or 0)
    source |= {"fingerprint": _fingerprint(tasks)}
    return [
        (task, source | {"index": index, "task": task.id})
        for index, task in ((index, tasks[index]) for index in range(len(tasks)))
    ]


def task_at(place: Mapping[str, Any]) -> Task:
    """The task at a place that `place_tasks` gave.

    Raises:
        InputError: when this machine has another task there.
    """
    source = [place[name] for name in ("env", "split", "path", "seed", "count")]
    tasks = _load_tasks(*source)
    index = int(place["index"])
    same = _fingerprint(tasks) == place.get("fingerprint", "")
    if not same or index >= len(tasks) or tasks[index].id != place["task"]:
        raise InputError(
            f"task {index} of {place['env']!r}, split {place['split']!r}, is not "
            f"{place['task']!r} on this machine; give every node the same tasks, and make the "
            "data anew"
        )
    return tasks[index]


def make_env(name: str, max_steps: int | None, options: Mapping[str, Any]) -> TextEnv:
    """A new environment of that name."""
    return registry.get(name).make(max_steps=max_steps, **options)


def make_prompter(name: str, style: PromptStyle, history: int = 2, opened: str = "") -> Prompter:
    """What writes the prompts of the environment of that name, and reads the responses to them.

    `opened` is what the chat template says for the policy before each response.
    """
    codec = registry.get(name).make_codec() if style == "numbered" else None
    return Prompter(style, history, codec, opened=opened)


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """The options of a command that writes tasks, read back by `place_given`."""
    parser.add_argument("--env", required=True, help=f"one of {', '.join(registry.names())}")
    parser.add_argument("--split", required=True, help="such as train, valid_seen")
    parser.add_argument("--path", help="where the tasks' data is; generated tasks without it")
    parser.add_argument("--seed", type=int, default=0, help="of generated tasks (default 0)")
    parser.add_argument("--count", type=int, help="how many (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="parquet file to write")


def place_given(given: argparse.Namespace) -> list[tuple[Task, dict[str, Any]]]:
    """The tasks that the options of `add_task_options` name, each with its place."""
    return place_tasks(given.env, given.split, given.path, given.seed, given.count)


def write_rows(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Write rows as a parquet file, its folder too."""
    import pyarrow
    import pyarrow.parquet

    out.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), out)


def _load_tasks(env: str, split: str, path: str, seed: int, count: int) -> TaskSet:
    """The tasks, loaded once per process, whichever thread asks; "" and 0 stand for None."""
    with _LOADING:
        return _loaded(env, split, path, seed, count)


@lru_cache(maxsize=8)
def _loaded(env: str, split: str, path: str, seed: int, count: int) -> TaskSet:
    return registry.get(env).load_tasks(split, path or None, seed, count or None)


def _fingerprint(tasks: TaskSet) -> str:
    """What tells these tasks from others of the same ids, where they can say."""
    return str(getattr(tasks, "fingerprint", ""))
