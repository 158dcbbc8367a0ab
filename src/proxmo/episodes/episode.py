"""One episode in its environment: the boundary at which what an environment says is checked.

Whatever an environment does wrong ends its own episode, which then says nothing of the policy:
`LiveEpisode.error` is set. Behind this boundary texts are texts, clean ones, and numbers finite.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from proxmo.envs.base import Task
from proxmo.envs.noise import NoisyEnv, with_noise
from proxmo.episodes.calls import Calls, CallsAside, CallsHere
from proxmo.policies.base import Response
from proxmo.text import clean
from proxmo.types import Context, Step, Trajectory

_ROUNDING = 1e-6
"""How far a grade may lie outside [0, 1]: shares that are added up can come to a little more."""
_LONGEST_ERROR = 2000
"""Characters of an error that are kept."""


class LiveEpisode:
    """An episode under way: acts in its environment and records the turns.

    Calls come in two halves, so that those to several environments that wait (a class attribute
    `waits = True`) can wait together: `begin_start` and `started`, `begin_act` and `acted`,
    `begin_close` and `closed`. `start`, `act` and `close` are both halves at once.
    """

    def __init__(
        self,
        task: Task,
        member: int,
        seed: int,
        make_env: Callable[[], Any],
        guidance: str = "",
        timeout: float | None = None,
        noise: float = 0.0,
    ) -> None:
        """`guidance` is told before the task in the policy's prompts; a call to the environment
        that takes longer than `timeout` seconds ends the episode as one that raises does. A share
        `noise` of the observations has noise (`proxmo.envs.noise`), other than that of the other
        members; `InputError` for one that is not in [0, 1]."""
        self.task = task
        self.member = member
        self.seed = seed
        self.guidance = guidance
        self.goal = ""
        self.observation = ""
        self.actions: tuple[str, ...] = ()
        self.steps: list[Step] = []
        self.ended = False
        self.success = False
        self.truncated = False
        self.error: str | None = None
        self.score: float | None = None
        self._make_env = with_noise(make_env, noise, (task.id, member, seed))
        self._env: Any = None
        self._timeout = timeout
        self._calls: Calls = CallsHere() if timeout is None else CallsAside(timeout)

    def start(self) -> None:
        """Make the environment and reset it; an error ends the episode."""
        self.begin_start()
        self.started()

    def begin_start(self) -> None:
        """First half of `start`."""
        with self.guarded():
            if self._timeout is None:
                self._env = self._make_env()
                if getattr(self._env, "waits", False):
                    self._calls = CallsAside()
            self._calls.ask(self._reset)

    def started(self) -> None:
        """Second half of `start`."""
        if self.ended:  # it could not be made
            return
        with self.guarded():
            observation, info = self._calls.answer()
            said = _said(observation, info)
            self.observation, self.actions, self.score = said.observation, said.actions, said.score
            self.goal = _goal(info)

    def act(self, prompt: str, response: Response, action: str, well_formed: bool) -> None:
        """Send the action to the environment and record the turn."""
        self.begin_act(action)
        self.acted(prompt, response, action, well_formed)

    def begin_act(self, action: str) -> None:
        """First half of `act`."""
        env = self._env
        self._calls.ask(lambda: env.step(action))

    def acted(self, prompt: str, response: Response, action: str, well_formed: bool) -> None:
        """Second half of `act`: the first one's answer, and the turn on record."""
        before = self.observation
        # What the environment cannot answer has paid nothing and was not the model's fault.
        reward, valid = 0.0, True
        with self.guarded():
            observation, paid, terminated, truncated, info = self._calls.answer()
            paid, terminated = _number("reward", paid), _flag("terminated", terminated)
            truncated = _flag("truncated", truncated)
            said = _said(observation, info)
            success = _success(info)
            self.observation, self.actions, self.score = said.observation, said.actions, said.score
            self.success = success
            self.ended, self.truncated = terminated or truncated, truncated and not terminated
            reward, valid = paid, well_formed and said.valid
        self.record_turn(before, prompt, response, action, reward, valid)

    def record_turn(
        self,
        observation: str,
        prompt: str,
        response: Response,
        action: str,
        reward: float = 0.0,
        valid: bool = True,
    ) -> None:
        """Put a turn on record."""
        self.steps.append(
            Step(
                observation=observation,
                prompt=prompt,
                response=clean(response.text),
                action=clean(action),
                reward=reward,
                valid=valid,
                prompt_ids=response.prompt_ids,
                response_ids=response.response_ids,
                logprobs=response.logprobs,
                cut=response.cut,
            )
        )

    def run_out(self) -> None:
        """End the episode because the policy has no room for another turn."""
        self.ended = self.truncated = True

    @property
    def forkable(self) -> bool:
        """Whether its environment can be copied as it stands."""
        env = self._env.env if isinstance(self._env, NoisyEnv) else self._env
        return hasattr(env, "fork")

    def fork(self) -> LiveEpisode:
        """A copy that goes on from here on its own; see `forkable`."""
        other = copy.copy(self)
        other.steps = list(self.steps)
        here = isinstance(self._calls, CallsHere)
        other._calls = CallsHere() if here else CallsAside(self._timeout)
        with other.guarded():
            other._env = self._env.fork()
        return other

    def part(self, *name: str | int) -> None:
        """Have noise of its own from here on, other than that of episodes of another `name`."""
        if isinstance(self._env, NoisyEnv):
            self._env.key = (*self._env.key, *name)

    def repeat(self, step: Step) -> None:
        """Take a recorded turn once more, which stays on record as it was."""
        self.act(step.prompt, Response(step.response), step.action, well_formed=step.valid)
        self.steps[-1] = step

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Whatever is raised inside ends this episode, and no other.

        An environment's `CancelledError` is no `Exception`, nor is the `SystemExit` of one that
        would end the process. Ctrl-C, and the signals that are taken for it, are not its own.
        """
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.error = error_text(error)
            self.success, self.ended, self.truncated = False, True, True

    def close(self) -> None:
        """Free what the environment holds."""
        self.begin_close()
        self.closed()

    def begin_close(self) -> None:
        """First half of `close`."""
        with _indifferent():
            self._calls.end(self._close)

    def closed(self) -> None:
        """Second half of `close`."""
        with _indifferent():
            self._calls.wait()

    def record(self, context: Context) -> Trajectory:
        """The episode as a trajectory of at least one step."""
        # An environment that failed at once leaves an empty step; no token of it is trained on.
        empty = Step(self.observation, prompt="", response="", action="", reward=0.0, valid=True)
        return Trajectory(
            id=f"{self.task.id}#{self.member}",
            group=self.task.id,
            task=self.task.id,
            task_type=self.task.task_type,
            seed=self.seed,
            steps=tuple(self.steps) or (empty,),
            success=self.success,
            truncated=self.truncated,
            error=self.error,
            context=context,
            score=self.score,
            goal=self.goal,
        )

    def _reset(self) -> Any:
        if self._env is None:
            self._env = self._make_env()  # kept at once: it is closed also when `reset` raises
        return self._env.reset(seed=self.seed, options=self.task.options)

    def _close(self) -> None:
        if self._env is not None:
            self._env.close()


@contextmanager
def _indifferent() -> Iterator[None]:
    """The episode is over, and what it was stands, whatever `close` does."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException:
        return


def error_text(error: BaseException) -> str:
    """The kind of an error and what it says, as clean text of bounded length."""
    try:
        said = str(error)
    except Exception:  # an error's own `__str__` can be broken
        said = "(it cannot say what)"
    return clean(f"{type(error).__name__}: {said}"[:_LONGEST_ERROR])


@dataclass(frozen=True, slots=True)
class _Said:
    """What an environment said, checked."""

    observation: str
    actions: tuple[str, ...]
    valid: bool
    score: float | None


def _said(observation: Any, info: Any) -> _Said:
    if not isinstance(info, Mapping):
        raise TypeError(f"info is {_short(info)}, not a dict")
    score = info.get("score")
    return _Said(
        observation=_text("observation", observation),
        actions=_actions(info.get("admissible_actions")),
        valid=_flag("info['valid']", info.get("valid", True)),
        score=None if score is None else _grade(score),
    )


def _goal(info: Mapping[str, Any]) -> str:
    goal = info.get("goal")
    return "" if goal is None else _text("info['goal']", goal)


def _success(info: Mapping[str, Any]) -> bool:
    if "success" not in info:
        raise KeyError("info['success'] is missing: say whether the task is accomplished")
    return _flag("info['success']", info["success"])


def _actions(listed: Any) -> tuple[str, ...]:
    """The admissible actions; none where the environment does not say."""
    name = "info['admissible_actions']"
    if listed is None:
        return ()
    if isinstance(listed, np.ndarray):
        listed = listed.tolist()
    if isinstance(listed, str | bytes) or not isinstance(listed, Sequence):
        raise TypeError(f"{name} is {_short(listed)}, not a list of texts")
    return tuple(_text(f"an entry of {name}", action) for action in listed)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is {_short(value)}, not a text")
    return clean(value)


def _flag(name: str, value: Any) -> bool:
    """True or False, or 1 or 0; nothing else is taken for a truth."""
    if isinstance(value, bool | np.bool_) or (isinstance(value, Integral) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{name} is {_short(value)}, neither True nor False")


def _grade(value: Any) -> float:
    grade = _number("info['score']", value)
    if not -_ROUNDING <= grade <= 1 + _ROUNDING:
        raise ValueError(f"info['score'] is {grade}, not a grade in [0, 1]")
    return min(max(grade, 0.0), 1.0)


def _number(name: str, value: Any) -> float:
    if not isinstance(value, Real | np.bool_) and getattr(value, "shape", None) != ():
        raise TypeError(f"{name} is {_short(value)}, not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}, not a finite number")
    return number


def _short(value: Any) -> str:
    """The value as an error shows it; a `repr` can be long, and broken."""
    try:
        told = repr(value)
    except Exception:
        told = f"a {type(value).__name__}"
    return told if len(told) <= 100 else f"{told[:100]}…"
