"""What the user names as environment and tasks, as things to play and a dataset of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from datasets import Dataset, IterableDataset

from proxmo.envs import registry
from proxmo.envs.base import Task, TaskSet
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError
from proxmo.prompts import Codec

Environment = str | EnvSpec | Callable[[], Any]
"""A name of the registry, a spec, or anything that makes a new text environment when called."""

Tasks = TaskSet | Sequence[Task]


def resolve(
    environment: Environment, tasks: Tasks | None, max_turns: int | None, seed: int
) -> tuple[Callable[[], Any], Tasks, Codec | None]:
    """A function that makes an environment, the tasks to train on, the codec of its texts.

    An environment of the registry has tasks of its own (split "train", made or drawn with
    `seed`) where none are given.

    Raises:
        InputError: for an unknown name, a factory without tasks or with `max_turns`, or
            when there is no task.
    """
    if isinstance(environment, str):
        environment = registry.get(environment)
    codec = None
    if isinstance(environment, EnvSpec):
        codec = environment.make_codec()
        tasks = environment.load_tasks("train", seed=seed) if tasks is None else tasks
        make_env: Callable[[], Any] = partial(environment.make, max_steps=max_turns)
    elif callable(environment):
        if tasks is None:
            raise InputError(
                f"environment {environment!r} comes without tasks; give tasks=[proxmo.envs.base."
                "Task(id, task_type, options), ...]: `options` is what its reset is to be given"
            )
        if max_turns is not None:
            raise InputError(
                f"max_turns={max_turns} has no meaning for environment {environment!r}, which "
                "truncates its episodes itself; give it its limit where it is made"
            )
        make_env = environment
    else:
        raise InputError(
            f"environment is {environment!r}; give a name ({', '.join(registry.names())}), an "
            "EnvSpec, or a function that makes an environment"
        )
    if not len(tasks):
        raise InputError("there are 0 tasks to train on; give at least one")
    return make_env, tasks, codec


def task_dataset(
    given: Any, tasks: Tasks | None, *, name: str, required: bool
) -> Dataset | IterableDataset | None:
    """The dataset TRL draws rows from: a row per task, whose column "task" is its index.

    A dataset of the user's own is taken as it is, if it has that column. There are no
    prompts in it: a prompt is what the environment says when it is reset.
    """
    if given is None:
        if tasks is None:
            assert not required
            return None
        return Dataset.from_dict({"prompt": [""] * len(tasks), "task": list(range(len(tasks)))})
    columns = getattr(given, "column_names", None)
    if columns is None or "task" not in columns or tasks is None:
        raise InputError(
            f"{name} must be a dataset with a column 'task', the index of each row's task in the "
            f"tasks given ({'none were' if tasks is None else len(tasks)}); leave {name} out to "
            "have one row for every task"
        )
    return given
