"""Worked examples of tasks, read from TOML and told to a policy before its own."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.errors import InputError
from proxmo.prompts import Prompter

SHOWN = 2
"""Examples that a prompt shows, as ReAct does in household tasks (Yao et al. 2023)."""

_CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_CLOSED)
class ExampleTurn:
    """One turn of an example."""

    thought: str
    action: str
    observation: str
    """What the environment answers to the action."""


@dataclass(frozen=True, config=_CLOSED)
class Example:
    """A task and how it was accomplished."""

    goal: str
    observation: str
    """The first one."""
    turns: Annotated[list[ExampleTurn], Field(min_length=1)]
    task_type: str | None = None
    """The type of task that it is an example of; none: any."""


@dataclass(frozen=True, config=_CLOSED)
class _File:
    examples: Annotated[list[Example], Field(min_length=1)]


def load_examples(env: str, path: Path | None = None) -> list[Example]:
    """The examples in the TOML file at `path`, else those of environment `env`.

    Raises `InputError` where there are none, or where the file is not what it should be.
    """
    source: Traversable | None = path or registry.get(env).examples_file()
    if source is None:
        raise InputError(
            f"there are no examples for environment {env!r}; write some, as docs/prompting.md "
            "shows, and give them with --examples FILE"
        )
    try:
        data = tomllib.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"examples file {source} does not exist") from None
    except OSError as error:
        raise InputError(f"examples file {source} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"examples file {source} is not valid TOML: {error}") from None
    try:
        return TypeAdapter(_File).validate_python(data).examples
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise InputError(f"examples file {source}: {where}: {problem['msg'].lower()}") from None


def examples_for(examples: Sequence[Example], task_type: str) -> list[Example]:
    """At most `SHOWN` examples for a task: those of its own type first, then the others."""
    return sorted(examples, key=lambda example: example.task_type != task_type)[:SHOWN]


def few_shot(examples: Sequence[Example], prompter: Prompter) -> Callable[[Task], str]:
    """What is told before a task: examples for its type, written as the policy plays."""

    def guidance(task: Task) -> str:
        parts = ["Here is how other tasks were done, turn by turn."]
        for number, example in enumerate(examples_for(examples, task.task_type), start=1):
            turns = [(turn.thought, turn.action, turn.observation) for turn in example.turns]
            told = prompter.example(example.goal, example.observation, turns)
            parts.append(f"Example {number}\n{told}")
        return "\n\n".join([*parts, "Now your own task."])

    return guidance
