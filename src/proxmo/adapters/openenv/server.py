"""Environments of the registry behind OpenEnv's protocol: one environment per session."""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import partial
from threading import Lock
from typing import Any
from uuid import uuid4

from fastapi import HTTPException, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import (
    Action,
    ConcurrencyConfig,
    EnvironmentMetadata,
    Observation,
    State,
)
from pydantic import Field

from proxmo.adapters.openenv.gate import Gate
from proxmo.envs.base import Info, Task, TaskSet
from proxmo.envs.noise import Key, noisy
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError
from proxmo.text import clean

RANGE = 10_000
"""Most tasks that one request lists."""


class TextAction(Action):
    """What the agent does."""

    text: str


class TextObservation(Observation):
    """What the agent sees; `reward` and `done` are OpenEnv's own fields."""

    text: str
    admissible_actions: list[str] = Field(default_factory=list)
    goal: str = ""
    task: str = ""
    task_type: str = ""
    success: bool = False
    valid: bool = True
    """Whether the environment admitted the last action."""
    truncated: bool = False
    """Whether the episode was cut off by the limit of steps."""
    score: float | None = None
    """The environment's own grade of the episode so far, where it gives one."""


class ServedTasks:
    """The tasks of each split, loaded when first asked for and shared by all sessions."""

    def __init__(
        self,
        spec: EnvSpec,
        splits: tuple[str, ...] = ("train", "valid"),
        path: str | None = None,
        seed: int = 0,
        count: int | None = None,
    ) -> None:
        self.splits = splits
        self._load = partial(spec.load_tasks, path=path, seed=seed, count=count)
        self._loaded: dict[str, TaskSet] = {}
        self._lock = Lock()

    def of(self, split: str) -> TaskSet:
        """The tasks of a split; one that is not served is refused with those that are."""
        if split not in self.splits:
            raise InputError(f"split is {split!r}; served are {', '.join(self.splits)}")
        with self._lock:
            if split not in self._loaded:
                self._loaded[split] = self._load(split)
        return self._loaded[split]

    def choose(self, split: str | None, index: int | None, seed: int | None) -> Task:
        """Task `index` of `split` (the first split by default), or one drawn with `seed`."""
        tasks = self.of(self.splits[0] if split is None else split)
        if index is None:
            index = random.Random(seed).randrange(len(tasks))
        if not 0 <= index < len(tasks):
            raise InputError(f"index is {index}; the split has tasks 0 to {len(tasks) - 1}")
        return tasks[index]


class ServedEnvironment(Environment[TextAction, TextObservation, State]):
    """One session's environment, with OpenEnv's methods and its discovery of tasks.

    `reset(seed, episode_id, split, index)` starts a task; without `index` one is drawn with
    `seed`, which also seeds the environment. The noise of a share `noise` of the observations
    follows from task, `seed` and `episode_id`; it is drawn anew where there is no id.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(
        self,
        spec: EnvSpec,
        tasks: ServedTasks,
        max_steps: int | None = None,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        self._spec, self._tasks, self._max_steps, self._noise = spec, tasks, max_steps, noise
        self._key: Key = ()
        self._env: Any = None  # made at the first reset: looking up tasks needs none
        self._task: Task | None = None
        self._over, self._closed = True, False
        self._state = State()

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        split: str | None = None,
        index: int | None = None,
        **_: Any,
    ) -> TextObservation:
        """Start a task and return the first observation."""
        self._over = True
        if self._closed:  # a client that comes back late would hold what nobody counts
            raise InputError("the session has ended; open another")
        self._task = self._tasks.choose(split, index, seed)
        if self._env is None:
            self._env = self._spec.make(max_steps=self._max_steps)
        text, info = self._env.reset(seed=seed, options=self._task.options)
        self._over = False
        self._key = (self._task.id, str(seed), episode_id or uuid4().hex)
        self._state = State(episode_id=episode_id, step_count=0)
        return self._seen(text, info)

    def step(self, action: TextAction, timeout_s: float | None = None, **_: Any) -> TextObservation:
        """Act; after the end of an episode, or before its start, `reset` must come first."""
        if self._over:
            raise InputError("there is no episode under way; reset first")
        self._over = True  # so it is for an environment that raises
        text, reward, terminated, truncated, info = self._env.step(action.text)
        self._over = terminated or truncated
        self._state.step_count += 1
        return self._seen(
            text,
            info,
            reward=float(reward),
            done=self._over,
            truncated=truncated and not terminated,
        )

    @property
    def state(self) -> State:
        """Which episode is under way, and how many steps it has had."""
        return self._state

    def close(self) -> None:
        """Free the environment; OpenEnv calls this when the session ends, however it ends."""
        self._over = self._closed = True
        if self._env is not None:
            self._env.close()
            self._env = None

    def get_metadata(self) -> EnvironmentMetadata:
        """What OpenEnv shows of this environment."""
        description = f"proxmo's text environment {self._spec.name!r}"
        return EnvironmentMetadata(name=self._spec.name, description=description)

    def list_splits(self) -> list[str]:
        """The splits that are served."""
        return list(self._tasks.splits)

    def num_tasks(self, split: str) -> int:
        """How many tasks a split has."""
        return len(self._listed(split))

    def list_tasks(self, split: str) -> list[dict[str, Any]]:
        """The first tasks of a split, 10,000 at most."""
        return self.get_task_range(split)

    def get_task(self, split: str, index: int) -> dict[str, Any]:
        """A task's id, index and type."""
        return self.get_task_range(split, index, index + 1)[0]

    def get_task_range(
        self, split: str, start: int | None = None, stop: int | None = None
    ) -> list[dict[str, Any]]:
        """Tasks from `start` to before `stop`, 10,000 at most."""
        tasks = self._listed(split)
        first, last, _ = slice(start, stop).indices(len(tasks))
        return [
            {"id": tasks[i].id, "index": i, "task_type": tasks[i].task_type}
            for i in range(first, min(last, first + RANGE))
        ]

    def _listed(self, split: str) -> TaskSet:
        try:
            return self._tasks.of(split)
        except InputError as error:
            raise HTTPException(400, str(error)) from None

    def _seen(self, text: str, info: Info, **outcome: Any) -> TextObservation:
        assert self._task is not None
        return TextObservation(
            text=noisy(clean(text), self._noise, (*self._key, self._state.step_count)),
            admissible_actions=[clean(action) for action in info.get("admissible_actions", ())],
            goal=clean(info.get("goal") or ""),
            task=self._task.id,
            task_type=self._task.task_type,
            success=bool(info["success"]),
            valid=bool(info.get("valid", True)),
            score=info.get("score"),
            **outcome,
        )


def make_app(
    spec: EnvSpec,
    tasks: ServedTasks,
    *,
    max_sessions: int,
    max_steps: int | None = None,
    noise: float = 0.0,
    session_timeout: float = 1800.0,
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
) -> Gate:
    """The ASGI application: OpenEnv's routes, and its WebSocket at /ws, behind a `Gate`.

    At most `max_sessions` sessions are open at once; one more is refused with OpenEnv's
    code CAPACITY_REACHED. One that does nothing for `session_timeout` seconds is ended, also one
    that was opened over HTTP, at /mcp, which has no connection whose end would tell.
    `hosts` and `origins` are those of `Gate`.
    """
    app = create_fastapi_app(
        partial(ServedEnvironment, spec, tasks, max_steps, noise),
        TextAction,
        TextObservation,
        concurrency_config=ConcurrencyConfig(
            max_concurrent_envs=max_sessions, session_timeout=session_timeout
        ),
        env_name=spec.name,
    )
    app.add_exception_handler(InputError, _refused)
    if origins:  # their pages may read the answers, too
        app.add_middleware(
            CORSMiddleware, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"]
        )
    return Gate(app, hosts, origins, session_timeout)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """What a request over HTTP asked for and cannot have."""
    del request
    return JSONResponse({"detail": str(error)}, 400)
