"""`proxmo play`: solve a task by hand, reading what an agent reads."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass
from rich.console import Console
from rich.text import Text
from tyro.conf import Positional, arg

from proxmo.commands.console import make_console
from proxmo.commands.options import parse_options
from proxmo.config import Share
from proxmo.envs import registry
from proxmo.envs.base import Task, TaskSet, TextEnv
from proxmo.envs.noise import with_noise
from proxmo.errors import InputError, ProxmoError
from proxmo.text import shown

HELP = """\
Type an action as an agent would write it.
  /actions  what the environment would accept now
  /help     this text
  /quit     leave"""
"""What is not sent to the environment begins with a slash, with which no action begins."""

_FREE = re.compile(r"\[<[^<>]*>\]$")
"""The end of an action that takes any words, such as "search[<your query>]"."""

ReadLine = Callable[[Sequence[str]], str]
"""The next line typed, given what can be completed; raises `EOFError` at the end of input."""
Explanation = Callable[[Mapping[str, Any]], Sequence[str]]
"""From the last `info` of an episode, lines that say how its score came about."""


@dataclass(frozen=True)
class PlayOptions:
    """Solve a task by hand: the observations, actions and rewards are those of an agent.

    Tab completes actions, the arrow keys bring back earlier ones, /help says what else there is.
    """

    env: Positional[str]
    """Environment: a name of the registry (one that is unknown is answered with those that are
    known), or `module:NAME` of an `EnvSpec`."""
    task: Annotated[int, Field(ge=0)] = 0
    """Number of the task in its split, from 0."""
    split: str = "valid"
    """Split that the task is of."""
    data: Annotated[str | None, arg(aliases=["--games"])] = None
    """Data of the environment: a file or a folder; none: what the environment's variable names,
    else generated tasks."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of generated tasks and of the episode."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Most steps of the episode, at least 1; none: the environment's own."""
    noise: Share = 0.0
    """Share of observations, in [0, 1], that are followed by a sentence that says nothing of the
    task."""


def main(arguments: Sequence[str]) -> None:
    """Play one episode and explain what it was worth."""
    options = parse_options(PlayOptions, arguments, prog="proxmo play")
    spec = registry.get(options.env)
    tasks = spec.load_tasks(options.split, options.data, options.seed)
    task = _choose(tasks, options)
    console = make_console()
    limit = spec.max_steps if options.max_steps is None else options.max_steps
    _note(
        console,
        f"task {options.task} of {len(tasks)} in split {options.split!r}: {task.id}, "
        f"{task.task_type}; at most {limit} steps; /help helps",
    )
    with _environment("cannot be made"):
        make_env = with_noise(
            lambda: spec.make(max_steps=limit), options.noise, (task.id, options.seed)
        )
        env = make_env()
    try:
        play(env, task, options.seed, console, _reader(), spec.explanation)
    finally:
        with _environment("failed in close()"):
            env.close()


def play(
    env: TextEnv,
    task: Task,
    seed: int,
    console: Console,
    read_line: ReadLine,
    explanation: Explanation = lambda info: (),
) -> None:
    """Show observations and send lines to the environment until the episode ends.

    Raises `ProxmoError` when the environment raises or answers with what is no observation, no
    number or no `info`.
    """
    with _environment("failed in reset()"):
        observation, info = env.reset(seed=seed, options=task.options)
        info = dict(info)
    _show(console, observation)
    rewards: list[float] = []
    while True:
        actions = _actions(info)
        try:
            line = read_line(actions).strip()
        except EOFError:
            line = "/quit"
        if line == "/quit":
            _note(console, f"left after {_steps(len(rewards))}; the task is not accomplished")
            return
        if line.startswith("/"):
            _answer(console, line, actions)
        if not line or line.startswith("/"):
            continue
        with _environment("failed in step()"):
            observation, reward, terminated, truncated, info = env.step(line)
            rewards.append(float(reward))
            info = dict(info)
        _show(console, observation)
        if not info.get("valid", True):
            _note(console, "that action is not admissible (/actions lists those that are)")
        if terminated or truncated:
            cut_off = bool(truncated) and not terminated
            _say_what_it_was_worth(console, rewards, info, truncated=cut_off)
            with _environment("failed in its explanation of the score"):
                lines = list(explanation(info))
            for explained in lines:
                console.print(Text(shown(str(explained)).rstrip()))
            return


@contextmanager
def _environment(failed: str) -> Iterator[None]:
    """Whatever an environment raises is one sentence that says where; our own errors say it."""
    try:
        yield
    except ProxmoError:
        raise
    except Exception as error:
        told = shown(f"{type(error).__name__}: {error}")
        raise ProxmoError(
            f"the environment {failed}: {told}; the fault is in the environment or its data "
            "(--debug shows where)"
        ) from error


def _actions(info: Mapping[str, Any]) -> list[str]:
    """What the environment says it would accept; nothing where it says it in no list of texts."""
    told = info.get("admissible_actions")
    return [a for a in told if isinstance(a, str)] if isinstance(told, list | tuple) else []


def _choose(tasks: TaskSet, options: PlayOptions) -> Task:
    if not len(tasks):
        raise InputError(f"split {options.split!r} has no tasks; choose another --split")
    if options.task >= len(tasks):
        raise InputError(
            f"--task {options.task}: split {options.split!r} has {len(tasks)} tasks, numbered "
            f"from 0 to {len(tasks) - 1}"
        )
    return tasks[options.task]


def _reader() -> ReadLine:
    """Line editing in a terminal; elsewhere, lines of a file or pipe, shown as they are read."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _terminal()
    if isinstance(sys.stdin, io.TextIOWrapper):  # any bytes are an action, if not a good one
        sys.stdin.reconfigure(errors="replace")

    def read_line(actions: Sequence[str]) -> str:
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        print(f"> {shown(line.rstrip())}", flush=True)
        return line

    return read_line


def _terminal() -> ReadLine:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter

    session: PromptSession[str] = PromptSession("> ", complete_while_typing=False)

    def read_line(actions: Sequence[str]) -> str:
        words = [*completions(actions), "/actions", "/help", "/quit"]
        completer = WordCompleter(words, ignore_case=True, sentence=True, match_middle=True)
        return session.prompt(completer=completer)

    return read_line


def completions(actions: Sequence[str]) -> list[str]:
    """Actions as they are completed: one that takes any words ends where these begin."""
    return [_FREE.sub("[", action) for action in actions]


def _answer(console: Console, line: str, actions: Sequence[str]) -> None:
    if line == "/help":
        _note(console, HELP)
    elif line == "/actions":
        listed = "\n".join(f"  {action}" for action in actions)
        _note(console, listed or "the environment does not say what it would accept")
    else:
        _note(console, f"{line} is not a command; there are /actions, /help and /quit")


def _say_what_it_was_worth(
    console: Console, rewards: Sequence[float], info: Mapping[str, Any], *, truncated: bool
) -> None:
    success = info.get("success")
    outcome = (
        f"whether the task is accomplished is not known (`success` is {success!r})"
        if not isinstance(success, bool | np.bool_)
        else "the task is accomplished"
        if success
        else "the task is not accomplished"
    )
    why = "; the step limit was reached" if truncated else ""
    line = f"{outcome} after {_steps(len(rewards))}{why}"
    console.print(Text(shown(line), style="bold"))
    console.print(f"reward {sum(rewards):g}")
    if isinstance(score := info.get("score"), int | float):
        console.print(f"score {score:.4g}")


def _show(console: Console, observation: object) -> None:
    # Observations have brackets of their own, which are no markup.
    console.print(Text(shown(str(observation)).rstrip("\n")))


def _note(console: Console, text: str) -> None:
    console.print(Text(shown(text), style="dim"))


def _steps(number: int) -> str:
    return f"{number} step{'' if number == 1 else 's'}"
