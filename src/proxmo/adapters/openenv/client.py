"""A remote OpenEnv environment as one of ours."""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from openenv.core.generic_client import GenericEnvClient
from websockets.exceptions import WebSocketException

from proxmo.envs.base import Info, Task
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError, ProxmoError
from proxmo.text import shown

LONGEST_ANSWER = 4 << 20
"""Bytes of an answer that are read; a server that sends more has gone wrong."""

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
        ProxmoError: when no server answers in time, it has no session left, it reports an
            error, or what it says is no observation.
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
            base_url=url,
            connect_timeout_s=timeout,
            message_timeout_s=timeout,
            max_message_size_mb=LONGEST_ANSWER >> 20,
        ).sync()
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, Info]:
        """Start a task in this environment's session, which is opened the first time."""
        self._steps = 0
        seeded = {} if seed is None else {"seed": seed}
        result = self._ask(lambda: self._client.reset(**seeded, **(options or {})))
        text, info = self._observation(result)
        info.pop("truncated", None)
        return text, info

    def step(self, action: str) -> tuple[str, float, bool, bool, Info]:
        """Observation, reward, terminated, truncated, info."""
        result = self._ask(lambda: self._client.step(self._act(action)))
        text, info = self._observation(result)
        self._steps += 1
        cut = bool(info.pop("truncated", False))
        terminated = bool(result.done) and not cut
        late = self.max_steps is not None and self._steps >= self.max_steps
        reward = 0.0 if result.reward is None else result.reward
        if not isinstance(reward, int | float) or not math.isfinite(reward):
            raise self._strange(f"the reward {reward!r}")
        return text, float(reward), terminated, not terminated and (cut or late), info

    def close(self) -> None:
        """End the session."""
        self._client.close()

    def _observation(self, result: Any) -> tuple[str, Info]:
        if not isinstance(result.observation, dict):
            raise self._strange(f"the observation {result.observation!r}")
        text, info = self._read(result.observation)
        if not isinstance(text, str):
            raise self._strange(f"an observation whose text is {text!r}")
        return text, info

    def _strange(self, what: str) -> ProxmoError:
        return ProxmoError(f"OpenEnv server at {self.url} sends {_brief(what)}")

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (TimeoutError, OSError, WebSocketException) as error:
            said = _brief(f"{type(error).__name__}: {error}".rstrip(": "))
            raise ProxmoError(
                f"no answer from the OpenEnv server at {self.url} ({said}); start it with `proxmo "
                "serve`, or check the address"
            ) from error
        except RecursionError as error:  # a RuntimeError, too
            raise self._strange("an answer that is nested too deeply") from error
        except RuntimeError as error:  # OpenEnv's client has no other for what a server reports
            way_out = ""
            if "CAPACITY_REACHED" in str(error):
                way_out = "; serve with a larger --max-sessions, or play fewer episodes at once"
            said = _brief(str(error))
            raise ProxmoError(f"OpenEnv server at {self.url}: {said}{way_out}") from error
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            # What OpenEnv's client raises when an answer is not what it takes for granted.
            said = f"what is no answer ({type(error).__name__}: {error})"
            raise self._strange(said) from error


def _brief(text: str) -> str:
    """What comes from a server, as one line of a message."""
    return shown(" ".join(text[:2000].split()))[:500]


@dataclass(frozen=True, slots=True)
class RemoteSpec(EnvSpec):
    """A served environment with its tasks, in the registry's form.

        registry.register(RemoteSpec("kitchen", url="http://127.0.0.1:8000"))

    Tasks come over OpenEnv's discovery of tasks; a server without it has no tasks to list.
    """

    env: str = "proxmo.adapters.openenv:RemoteEnv"
    tasks: str = "proxmo.adapters.openenv:RemoteSpec"
    """Not read: `load_tasks` asks the server."""
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
                f"{path!r} to `proxmo serve --data` there"
            )
        listed = self._http("/list_environments")
        if not (isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], str)):
            raise self._strange("/list_environments", listed)
        rows: list[dict[str, Any]] = []
        while count is None or len(rows) < count:  # a server lists so many at a time
            path = f"/{urllib.parse.quote(listed[0], safe='')}/task_range"
            answer = self._http(path, {"split": split, "start": len(rows), "stop": count})
            further = answer.get("tasks") if isinstance(answer, dict) else None
            if not (isinstance(further, list) and all(map(_is_task, further))):
                raise self._strange(path, answer)
            if not further or (rows and further[0]["id"] == rows[0]["id"]):
                break
            rows += further
        return [
            Task(row["id"], row.get("task_type", ""), {"split": split, "index": row["index"]})
            for row in rows
        ]

    def _strange(self, path: str, answer: Any) -> ProxmoError:
        said = _brief(repr(answer))
        return ProxmoError(f"OpenEnv server at {self.url} answers {path} with {said}")

    def _http(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        try:
            address = self.url.rstrip("/") + path
            request = urllib.request.Request(address, data, headers)
        except ValueError as error:
            raise InputError(f"{self.url!r} is no address of a server ({error})") from None
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
                said = _read_whole(answer)
        except urllib.error.HTTPError as error:
            with error:
                why = _brief(error.read(2000).decode(errors="replace"))
            raise ProxmoError(f"{address} answers {error.code}: {why}") from error
        except (OSError, HTTPException) as error:
            raise ProxmoError(
                f"no answer from the OpenEnv server at {self.url} ({_brief(str(error))}); start it "
                "with `proxmo serve`, or check the address"
            ) from error
        try:
            return json.loads(said)
        except (ValueError, RecursionError):
            raise self._strange(path, said[:200]) from None


_PATIENCE = 60.0
"""Seconds that an answer over HTTP may take as a whole."""


def _read_whole(answer: Any) -> bytes:
    body, deadline = bytearray(), time.monotonic() + _PATIENCE
    while piece := answer.read1(65536):
        body += piece
        if len(body) > LONGEST_ANSWER or time.monotonic() > deadline:
            raise TimeoutError(f"its answer goes on after {len(body)} bytes")
    return bytes(body)


def _is_task(row: Any) -> bool:
    """Whether a server's row is a task: its id, its place, and perhaps its type."""
    known = isinstance(row, dict) and isinstance(row.get("id"), str)
    return known and type(row.get("index")) is int and isinstance(row.get("task_type", ""), str)
