"""The parquet file of tasks that verl's data loader wants.

    python -m proxmo.adapters.verl.data --env ENV --split train --out train.parquet

A row names a task by environment, split and number, and says that the agent loop `proxmo`
plays it. The prompt in it is shown in logs; the agent loop writes its own at every turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from proxmo.adapters.tasks import add_task_options, place_given, write_rows
from proxmo.errors import ProxmoError


def verl_rows(places: Sequence[tuple[Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    """A row per task of `proxmo.adapters.tasks.place_tasks`.

    `data_source` holds the task type: verl reports validation by it.
    """
    return [
        {
            "data_source": f"{place['env']}/{task.task_type}",
            "agent_name": "proxmo",
            "prompt": [{"role": "user", "content": f"{place['env']}: {task.id}"}],
            "ability": place["env"],
            "reward_model": {"style": "environment", "ground_truth": ""},
            "extra_info": place,
        }
        for task, place in places
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tasks of an environment; returns an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m proxmo.adapters.verl.data",
        description="Write the tasks of an environment for verl.",
    )
    add_task_options(parser)
    given = parser.parse_args(arguments)
    try:
        rows = verl_rows(place_given(given))
    except ProxmoError as error:
        parser.error(str(error))
    write_rows(rows, given.out)
    print(f"{len(rows)} tasks of {given.env} in {given.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
