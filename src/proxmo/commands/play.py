"""`proxmo play`: solve a task by hand, reading what an agent reads."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass
from rich.console import Console
from rich.text import Text
from tyro.conf import Positional, arg

from proxmo.commands.console import make_console
from proxmo.commands.options import parse_options
from proxmo.envs import registry
from proxmo.envs.base import Task, TaskSet
from proxmo.errors import InputError

HELP = """\
Type an action as an agent would write it.
  /actions  what the environment would accept now
  /help     this text
  /quit     leave"""
"""What is not sent to the environment begins with a slash, with which no action begins."""

MEANINGS = {
    "r_type": "kind of product, a factor: 1 as asked for, 0.5, 0.1 or 0 if less and less alike",
    "query_match": "found with the same query as the product asked for",
    "category_match": "shares two categories with the product asked for",
    "title_score": "share of the nouns of its title that stand in this title",
    "r_att": "share of the attributes asked for",
    "w_att": "weight of the attributes: their number / (attributes + options + 1)",
    "r_option": "share of the options asked for",
    "w_option": "weight of the options: their number / (attributes + options + 1)",
    "r_price": "within the price asked for",
    "w_price": "weight of the price: 1 / (attributes + options + 1)",
}
"""What parts of a reward mean that do not explain themselves (WebShop's)."""

_WEIGHTED = (("w_att", "r_att"), ("w_option", "r_option"), ("w_price", "r_price"))
"""Parts that WebShop's score multiplies and adds up; a goal without options lacks the second."""

_FREE = re.compile(r"\[<[^<>]*>\]$")
"""The end of an action that takes any words, such as "search[<your query>]"."""

ReadLine = Callable[[Sequence[str]], str]
"""The next line typed, given what can be completed; raises `EOFError` at the end of input."""


@dataclass(frozen=True)
class PlayOptions:
    """Solve a task by hand: the observations, actions and rewards are those of an agent.

    Tab completes actions, the arrow keys bring back earlier ones, /help says what else there is.
    """

    env: Positional[str]
    """Environment: a name of the registry, such as alfworld or webshop, or `module:NAME` of an
    `EnvSpec`."""
    task: Annotated[int, Field(ge=0)] = 0
    """Number of the task in its split, from 0."""
    split: str = "valid"
    """Split that the task is of."""
    data: Annotated[str | None, arg(aliases=["--games"])] = None
    """Data of the environment (ALFWorld: game file, folder or archive; WebShop: folder); none:
    what its variable says ($ALFWORLD_DATA, $WEBSHOP_DATA), else generated tasks."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of generated tasks and of the episode."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Most steps of the episode, at least 1; none: the environment's own."""


def main(arguments: Sequence[str]) -> None:
    """Play one episode and explain what it was worth."""
    options = parse_options(PlayOptions, arguments, prog="proxmo play")
    spec = registry.get(options.env)
    tasks = spec.load_tasks(options.split, options.data, options.seed)
    task = _choose(tasks, options)
    console = make_console()
    limit = options.max_steps or spec.max_steps
    _note(
        console,
        f"task {options.task} of {len(tasks)} in split {options.split!r}: {task.id}, "
        f"{task.task_type}; at most {limit} steps; /help helps",
    )
    env = spec.make(max_steps=limit)
    try:
        play(env, task, options.seed, console, _reader())
    finally:
        env.close()


def play(env: Any, task: Task, seed: int, console: Console, read_line: ReadLine) -> None:
    """Show observations and send lines to the environment until the episode ends."""
    observation, info = env.reset(seed=seed, options=task.options)
    _show(console, observation)
    rewards: list[float] = []
    while True:
        try:
            line = read_line(info["admissible_actions"]).strip()
        except EOFError:
            line = "/quit"
        if line == "/quit":
            _note(console, f"left after {_steps(len(rewards))}; the task is not accomplished")
            return
        if line.startswith("/"):
            _answer(console, line, info["admissible_actions"])
        if not line or line.startswith("/"):
            continue
        observation, reward, terminated, truncated, info = env.step(line)
        rewards.append(float(reward))
        _show(console, observation)
        if not info["valid"]:
            _note(console, "that action is not admissible (/actions lists those that are)")
        if terminated or truncated:
            _explain(console, rewards, info, truncated=truncated and not terminated)
            return


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
        print(f"> {line.rstrip()}", flush=True)
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


def _explain(
    console: Console, rewards: Sequence[float], info: Mapping[str, Any], *, truncated: bool
) -> None:
    """What the episode was worth, and why."""
    outcome = "the task is accomplished" if info["success"] else "the task is not accomplished"
    why = "; the step limit was reached" if truncated else ""
    parts: Mapping[str, Any] = info.get("reward_parts") or {}
    if truncated and not parts and "has_search_bar" in info:
        why += ", and nothing was bought"
    console.print(Text(f"{outcome} after {_steps(len(rewards))}{why}", style="bold"))
    console.print(f"reward {sum(rewards):g}")
    if "score" in info:
        console.print(f"score {info['score']:.4g}")
    for line in _combination(parts):
        console.print(Text(line))
    width = max(map(len, parts), default=0)
    for name, value in parts.items():
        told = f"{value:.3g}" if isinstance(value, float) else str(value)
        console.print(Text(f"  {name:<{width}}  {told:<5}  {MEANINGS.get(name, '')}".rstrip()))


def _combination(parts: Mapping[str, Any]) -> list[str]:
    """How WebShop's parts make the score, in names and in numbers; nothing for other parts."""
    if "r_type" not in parts:
        return []
    terms = [pair for pair in _WEIGHTED if parts.keys() >= set(pair)]
    names = " + ".join(f"{weight} * {share}" for weight, share in terms)
    numbers = " + ".join(f"{parts[weight]:.3g} * {parts[share]:.3g}" for weight, share in terms)
    return [f"  = r_type * ({names})", f"  = {parts['r_type']:.3g} * ({numbers})"]


def _show(console: Console, observation: str) -> None:
    # Observations have brackets of their own, which are no markup.
    console.print(Text(observation.rstrip("\n")))


def _note(console: Console, text: str) -> None:
    console.print(Text(text, style="dim"))


def _steps(number: int) -> str:
    return f"{number} step{'' if number == 1 else 's'}"
