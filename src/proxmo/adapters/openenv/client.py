"""A remote OpenEnv environment as one of ours."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openenv.core.generic_client import GenericEnvClient
from websockets.exceptions import WebSocketException

from proxmo.envs.base import Info, Task
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError, ProxmoError

Read = Callable[[dict[str, Any]], tuple[str, Info]]
"""Text and info of an observation, given as the dict that came over the wire."""
Act = Callable[[str], dict[str, Any]]
"""An action's fields, from its text."""


def read_text(observation: dict[str, Any]) -> tuple[str, Info]:
    """The observation of an environment that `proxmo serve` serves."""
    missing = [name for name in ("text", "success") if name not in observation]
    if missing:
        raise InputError(
            f"the remote observation has no field {missing[0]!r}, only {', '.join(observation)}; "
            "give RemoteEnv a function `read` that makes text and info of it"
        )
    info = {name: value for name, value in observation.items() if name != "metadata"}
    return info.pop("text"), info


def text_action(text: str) -> dict[str, Any]:
    """The action of an environment that `proxmo serve` serves."""
    return {"text": text}


class RemoteEnv:
    """A text environment (`proxmo.envs.base.TextEnv`) played over OpenEnv, one session each.

    `reset`'s options go to the remote reset as they are, such as `split` and `index`. Of an
    environment that is not proxmo's, `act` and `read` say how its actions and observations
    look; `read` must set `info["success"]`.

    Raises:
        ProxmoError: when no server answers, it has no session left, or it reports an error.
    """

    waits = True
    """Its time is the server's: many sessions are asked at once."""

    def __init__(
        self,
        url: str,
        max_steps: int | None = None,
        *,
        act: Act = text_action,
        read: Read = read_text,
        timeout: float = 60.0,
    ) -> None:
        self.url, self.max_steps = url, max_steps
        self._act, self._read = act, read
        self._client = GenericEnvClient(
            base_url=url, connect_timeout_s=timeout, message_timeout_s=timeout
        ).sync()
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, Info]:
        """Start a task in this environment's session, which is opened the first time."""
        self._steps = 0
        seeded = {} if seed is None else {"seed": seed}
        result = self._ask(lambda: self._client.reset(**seeded, **(options or {})))
        text, info = self._read(result.observation)
        info.pop("truncated", None)
        return text, info

    def step(self, action: str) -> tuple[str, float, bool, bool, Info]:
        """Observation, reward, terminated, truncated, info."""
        result = self._ask(lambda: self._client.step(self._act(action)))
        text, info = self._read(result.observation)
        self._steps += 1
        cut = bool(info.pop("truncated", False))
        terminated = bool(result.done) and not cut
        late = self.max_steps is not None and self._steps >= self.max_steps
        return text, float(result.reward or 0.0), terminated, not terminated and (cut or late), info

    def close(self) -> None:
        """End the session."""
        self._client.close()

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (TimeoutError, ConnectionError, WebSocketException) as error:
            raise ProxmoError(
                f"no answer from the OpenEnv server at {self.url} ({type(error).__name__}: "
                f"{error}); start it with `proxmo serve`, or check the address"
            ) from error
        except RuntimeError as error:  # OpenEnv's client has no other for what a server reports
            way_out = ""
            if "CAPACITY_REACHED" in str(error):
                way_out = "; serve with a larger --max-sessions, or play fewer episodes at once"
            raise ProxmoError(f"OpenEnv server at {self.url}: {error}{way_out}") from error


@dataclass(frozen=True, slots=True)
class RemoteSpec(EnvSpec):
    """A served environment with its tasks, in the registry's form.

        registry.register(RemoteSpec("kitchen", url="http://127.0.0.1:8000"))

    Tasks come over OpenEnv's discovery of tasks; a server without it has no tasks to list.
    """

    env: str = "proxmo.adapters.openenv:RemoteEnv"
    tasks: str = ""
    url: str = "http://127.0.0.1:8000"

    def make(self, *, max_steps: int | None = None, **options: Any) -> RemoteEnv:
        """A new session; the server's limit of steps holds too."""
        return RemoteEnv(self.url, self.max_steps if max_steps is None else max_steps, **options)

    def load_tasks(
        self, split: str, path: str | None = None, seed: int = 0, count: int | None = None
    ) -> list[Task]:
        """The tasks that the server lists for `split`, at most `count`; `seed` is its own."""
        if path is not None:
            raise InputError(
                f"environment {self.name!r} is served from {self.url}; give the path "
                f"{path!r} to `proxmo serve --games` there"
            )
        (served,) = self._http("/list_environments")
        rows: list[dict[str, Any]] = []
        while count is None or len(rows) < count:  # a server lists so many at a time
            body = {"split": split, "start": len(rows), "stop": count}
            further = self._http(f"/{served}/task_range", body)["tasks"]
            if not further or (rows and further[0]["id"] == rows[0]["id"]):
                break
            rows += further
        return [
            Task(row["id"], row.get("task_type", ""), {"split": split, "index": row["index"]})
            for row in rows
        ]

    def _http(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url.rstrip("/") + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise ProxmoError(f"{request.full_url} answers {error.code}: {said}") from error
        except OSError as error:
            raise ProxmoError(
                f"no answer from the OpenEnv server at {self.url} ({error}); start it with "
                "`proxmo serve`, or check the address"
            ) from error
