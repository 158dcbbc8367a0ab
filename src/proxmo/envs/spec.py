"""All that the rest of proxmo knows of one environment.

    SPEC = EnvSpec("toy", env="my_package.toy:ToyEnv", tasks="my_package.toy:load_tasks")

Where an environment is code, the spec names it as "module:attribute", imported when it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from proxmo.envs import fingerprint
from proxmo.envs.base import Expert, TaskSet, TextEnv
from proxmo.errors import InputError
from proxmo.types import Context


@dataclass(frozen=True, slots=True)
class ColdStart:
    """How a small policy is made for an environment, unless the user says otherwise."""

    demonstrations: int = 6000
    """Episodes of the expert to learn from."""
    epochs: int = 1
    """Passes over them."""
    stumble_weight: float = 0.0
    """Weight of the demonstrations' random steps in the loss. With 1 the policy learns to stumble,
    too, which leaves reinforcement more to win."""
    vocabulary: int = 2048
    """Tokens of its tokenizer."""
    numbered_things: bool = False
    """Whether texts are phrases about numbered things ("cabinet 12"), which the tokenizer then
    keeps in one piece."""
    prompt: Literal["compact", "numbered"] = "compact"
    """How the policy reads and writes; see `proxmo.prompts`."""
    context: Context = "conversation"
    """How it sees the past. Where every observation tells all that is at hand, the task included,
    a `window` is the shorter text, and so the easier one to learn to copy from."""
    history: int = 2
    """Past turns that it reads whole in a window; of those before, it reads the actions."""
    worlds: int = 1
    """Seeds among which generated demonstrations are divided. More than one where a seed makes a
    world, such as a catalog, that a policy could learn by heart."""


_CODE = ("env", "tasks", "expert", "codec", "explain", "examples", "write", "data_fingerprint")
"""Fields of `EnvSpec` that name code."""


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """An environment, where its tasks come from, and how to speak of its results."""

    name: str
    env: str
    """ "module:attribute" of the class: called with `max_steps` and further options."""
    tasks: str
    """ "module:attribute" of a function `(split, path, seed, count) -> TaskSet`."""
    expert: str | None = None
    """ "module:attribute" of a scripted player, called with `seed`; what it does makes the
    demonstrations of a cold start."""
    codec: str | None = None
    """ "module:attribute" of a `proxmo.prompts.Codec`, called without arguments: how a policy
    prompted in the style `numbered` reads and writes the environment's texts."""
    explain: str | None = None
    """ "module:attribute" of a function from the last `info` of an episode to lines of text that
    say how its score came about."""
    examples: str | None = None
    """ "package:file" of TOML with worked examples (docs/prompting.md), which prompting methods
    such as ReAct tell before a task."""
    write: str | None = None
    """ "module:attribute" of a function `(folder, split, seed, count) -> list[Path]` that writes
    generated tasks as data; `proxmo generate` calls it."""
    data_fingerprint: str | None = None
    """ "module:attribute" of a function from the data's path to a name of its contents; none: a
    digest of the files there."""
    generator_version: str = "1"
    """Changes when generated tasks of the same seed do: part of the fingerprint."""
    max_steps: int = 50
    """Steps after which an episode is cut off, unless the user says otherwise."""
    prompt_tokens: int = 2048
    """Longest prompt of a model that does not say itself."""
    cold_start: ColdStart = field(default_factory=ColdStart)
    """How a small policy is made."""
    task_types: Mapping[str, str] = field(default_factory=dict)
    """Task type -> its name in tables, in the order of the tables; others follow by alphabet."""
    graded: bool = False
    """Whether it scores an episode from 0 to 1, and takes an option `graded` to reward the score
    instead of success."""
    episode_core_seconds: float | None = None
    """Core-seconds that an episode costs the built-in policy, learning included; none: unknown."""
    data_variable: str | None = None
    """Environment variable that names the data where the user does not."""

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise InputError(f"an environment needs a name, got {self.name!r}")
        for what in ("max_steps", "prompt_tokens"):
            if getattr(self, what) < 1:
                raise InputError(
                    f"environment {self.name!r}: {what} must be >= 1, got {getattr(self, what)}"
                )
        for what in _CODE:
            path = getattr(self, what)
            if path is not None and not all(path.partition(":")[::2]):
                raise InputError(
                    f"environment {self.name!r}: {what} is {path!r}; it is written as "
                    "'module:attribute'"
                )

    def _code(self, what: str) -> Any:
        """What the field `what` names; `InputError` where there is no such thing."""
        path = getattr(self, what)
        module, _, attribute = path.partition(":")
        try:
            return import_object(path)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # a package that the module needs
            problem = f"there is no module {error.name!r}"
        except AttributeError:
            if hasattr(import_module(module), attribute):
                raise
            problem = f"{module!r} has no {attribute!r}"
        raise InputError(f"environment {self.name!r}: {what} is {path!r}, but {problem}")

    def make(self, *, max_steps: int | None = None, **options: Any) -> TextEnv:
        """A new environment."""
        steps = self.max_steps if max_steps is None else max_steps
        return self._code("env")(max_steps=steps, **options)

    def data(self, path: str | None) -> str | None:
        """Where the data is: `path`, else what the variable says; None: tasks are generated."""
        return path or (self.data_variable and os.environ.get(self.data_variable)) or None

    def fingerprint(self, path: str | None) -> str:
        """A name of the data's contents, or of the generator where tasks are generated.

        Other data behind the same path has another name.
        """
        data = self.data(path)
        if data is None:
            return f"generated-{self.generator_version}"
        if self.data_fingerprint is not None:
            return self._code("data_fingerprint")(data)
        return fingerprint.of_files(Path(data).expanduser())

    def load_tasks(
        self, split: str, path: str | None = None, seed: int = 0, count: int | None = None
    ) -> TaskSet:
        """The tasks of `split`: from data at `path`, or where the environment's variable says,
        or made from `seed` where there is none.

        `count` limits how many; None means all (or the environment's own default).
        """
        data = self.data(path)
        try:
            return self._code("tasks")(split, data, seed, count)
        except InputError as error:
            if data == path:
                raise
            raise InputError(f"${self.data_variable} is {data!r}: {error}") from None

    def make_expert(self, seed: int) -> Expert:
        """A new expert; `seed` varies its choices. Raises `InputError` where there is none."""
        if self.expert is None:
            raise InputError(
                f"environment {self.name!r} has no expert to learn from; start from a language "
                "model instead (--model), or register the environment with an expert"
            )
        return self._code("expert")(seed=seed)

    def make_codec(self) -> Any:
        """The codec of its texts; None where it has none."""
        return None if self.codec is None else self._code("codec")()

    def write_tasks(self, folder: Path, split: str, seed: int, count: int) -> list[Path]:
        """Write the first `count` generated tasks of `split` and `seed` as data; its files."""
        if self.write is None:
            raise InputError(
                f"environment {self.name!r} does not write its tasks as data; where no data is "
                "named they are generated from the seed, without files"
            )
        return self._code("write")(folder, split, seed, count)

    def examples_file(self) -> Traversable | None:
        """The file of worked examples; None where there is none."""
        if self.examples is None:
            return None
        package, _, file = self.examples.partition(":")
        return resources.files(package) / file

    def explanation(self, info: Mapping[str, Any]) -> Sequence[str]:
        """Lines that say how the score of the episode that ended with `info` came about."""
        return () if self.explain is None else self._code("explain")(info)

    def task_type_name(self, task_type: str) -> str:
        """What tables call a task type."""
        return self.task_types.get(task_type, task_type)

    def task_type_place(self, task_type: str) -> tuple[int, str]:
        """A sort key: the environment's order, then the alphabet."""
        listed = list(self.task_types)
        return (listed.index(task_type) if task_type in listed else len(listed), task_type)


def import_object(path: str) -> Any:
    """What stands at "module:attribute"."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
