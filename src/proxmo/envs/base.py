"""What the rest of the system knows of any text environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from proxmo.text import clean

Info = dict[str, Any]
"""Keys that every environment sets, at reset and after every step:

`admissible_actions` (list[str])  what the environment would accept now; empty if it does not say
`success` (bool)                  whether the task is accomplished
`valid` (bool)                    whether the last action was admissible (True at reset)
`task_type` (str)                 the kind of task, by which results are reported

Keys that some set:

`goal` (str)                      what is to be done, told in every prompt of a window
`score` (float)                   the environment's own grade of the episode so far, in [0, 1]
"""


@runtime_checkable
class TextEnv(Protocol):
    """A Gymnasium environment that reads and writes text.

    A class that spends its time waiting for another process, such as a server, says so by an
    attribute `waits = True`: many of them are then called at the same time, a thread each.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, Info]:
        """Start the task that `options` names; the first observation and its info."""
        ...

    def step(self, action: str, /) -> tuple[str, float, bool, bool, Info]:
        """Observation, reward, terminated, truncated, info."""
        ...

    def close(self) -> None:
        """Free what the environment holds."""
        ...


@runtime_checkable
class ForkableEnv(TextEnv, Protocol):
    """An environment that can be copied in the middle of an episode.

    Whoever looks ahead from a state, as `proxmo audit` does, copies such an environment, and plays
    others anew up to there.
    """

    def fork(self) -> TextEnv:
        """An environment in the state of this one; neither changes when the other is stepped."""
        ...


class Expert(Protocol):
    """A scripted player that sees what an agent sees, but for noise."""

    def reset(self, observation: str) -> None:
        """Start an episode from its first observation."""
        ...

    def act(self, observation: str, admissible_actions: Sequence[str]) -> str:
        """The next action, given the last observation."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """One problem to solve: `env.reset(seed=..., options=task.options)` starts it."""

    id: str
    task_type: str
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    """Passed to `reset` as it is."""

    def __post_init__(self) -> None:
        """Names come from outside, such as from a file's; what is broken in them is replaced."""
        object.__setattr__(self, "id", clean(self.id))
        object.__setattr__(self, "task_type", clean(self.task_type))


@runtime_checkable
class TaskSet(Protocol):
    """A sequence of tasks, made when asked for."""

    def __len__(self) -> int:
        """How many tasks there are."""
        ...

    def __getitem__(self, index: int, /) -> Task:
        """The task at `index`; raises `IndexError` past the end, so that it can be iterated."""
        ...
