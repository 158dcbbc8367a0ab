"""Environments by name.

An environment is described by one `EnvSpec`:

    SPEC = EnvSpec("toy", env="my_package.toy:ToyEnv", tasks="my_package.toy:load_tasks")

It is found as `my_package.toy:SPEC`; by its name alone once `register(SPEC)` was called, or
when the package that is installed names it among its entry points:

    [project.entry-points."proxmo.envs"]
    toy = "my_package.toy:SPEC"
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal

from proxmo.envs.base import Expert, TaskSet, TextEnv
from proxmo.errors import InputError
from proxmo.types import Context

ENTRY_POINTS = "proxmo.envs"
"""Group of entry points in which an installed package names its environments."""


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """An environment and where its tasks come from; code is imported when it is needed."""

    name: str
    env: str
    """ "module:attribute" of the class: called with `max_steps` and further options."""
    tasks: str
    """ "module:attribute" of a function `(split, path, seed, count) -> TaskSet`."""
    expert: str | None = None
    """ "module:attribute" of a scripted player, called with `seed`; what it does makes the
    demonstrations of a cold start."""
    max_steps: int = 50
    """Steps after which an episode is cut off, unless the user says otherwise."""
    prompt_tokens: int = 2048
    """Longest prompt of a model that does not say itself."""
    demonstrations: int = 6000
    """Episodes of the expert that a cold start learns from, unless the user says otherwise."""
    epochs: int = 1
    """Passes of a cold start over them, unless the user says otherwise."""
    stumble_weight: float = 0.0
    """Weight of the demonstrations' random steps in the loss of a cold start, unless the user
    says otherwise. With 1 it learns to stumble, too, which leaves reinforcement more to win."""
    vocabulary: int = 2048
    """Tokens of the tokenizer that a cold start makes, unless the user says otherwise."""
    numbered_things: bool = False
    """Whether its texts are phrases about numbered things ("cabinet 12"), which a tokenizer of
    its own then keeps in one piece."""
    prompt: Literal["compact", "numbered"] = "compact"
    """How the policy that a cold start makes reads and writes; see `proxmo.prompts`."""
    context: Context = "conversation"
    """How it sees the past. Where every observation tells all that is at hand, the task included,
    a `window` is the shorter text, and so the easier one to learn to copy from."""
    history: int = 2
    """Past turns that it reads whole in a window; of those before, it reads the actions."""
    worlds: int = 1
    """Seeds among which generated demonstrations are divided. More than one where a seed makes a
    world, such as a catalog, that a policy could learn by heart."""
    graded: bool = False
    """Whether it scores an episode from 0 to 1, and takes an option `graded` to reward the score
    instead of success."""
    data_variable: str | None = None
    """Environment variable that names the data where the user does not."""

    def make(self, *, max_steps: int | None = None, **options: Any) -> TextEnv:
        """A new environment."""
        steps = self.max_steps if max_steps is None else max_steps
        return _import(self.env)(max_steps=steps, **options)

    def data(self, path: str | None) -> str | None:
        """Where the data is: `path`, else what the variable says; None: tasks are generated."""
        return path or (self.data_variable and os.environ.get(self.data_variable)) or None

    def load_tasks(
        self, split: str, path: str | None = None, seed: int = 0, count: int | None = None
    ) -> TaskSet:
        """The tasks of `split`: from data at `path`, or where the environment's variable says,
        or made from `seed` where there is none.

        `count` limits how many; None means all (or the environment's own default).
        """
        data = self.data(path)
        try:
            return _import(self.tasks)(split, data, seed, count)
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
        return _import(self.expert)(seed=seed)


_SPECS: dict[str, EnvSpec] = {}


def register(spec: EnvSpec) -> None:
    """Add an environment; a name that is taken is refused."""
    if spec.name in _SPECS:
        raise InputError(f"environment {spec.name!r} is registered already; choose another name")
    _SPECS[spec.name] = spec


def get(name: str) -> EnvSpec:
    """The environment called `name`, or the `EnvSpec` at `module:NAME`.

    Modules in the working directory are found too. An unknown name is refused with the known
    ones.
    """
    if name in _SPECS:
        return _SPECS[name]
    installed = _installed()
    if name in installed:
        return _spec_at(installed[name])
    if ":" in name:
        return _spec_at(name)
    close = get_close_matches(name, names(), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise InputError(
        f"unknown environment {name!r}{hint} (known: {', '.join(names())}; of your own: "
        "module:NAME)"
    )


def names() -> list[str]:
    """All names, registered here or by an installed package, sorted."""
    return sorted({*_SPECS, *_installed()})


def _installed() -> dict[str, str]:
    return {entry.name: entry.value for entry in metadata.entry_points(group=ENTRY_POINTS)}


def _spec_at(path: str) -> EnvSpec:
    """The `EnvSpec` at `module:NAME`, which the user named."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # an installed command does not look there by itself
    try:
        spec = _import(path)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise InputError(
            f"environment {path!r} cannot be imported ({error}); give module:NAME of an EnvSpec, "
            "in the working directory or installed"
        ) from error
    if not isinstance(spec, EnvSpec):
        raise InputError(f"{path!r} is a {type(spec).__name__}; an environment is an EnvSpec")
    return spec


def _import(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


register(
    EnvSpec(
        "alfworld",
        env="proxmo.envs.alfworld.env:AlfworldEnv",
        tasks="proxmo.envs.alfworld.tasks:load_tasks",
        expert="proxmo.envs.alfworld.expert:Expert",
        stumble_weight=1.0,
        numbered_things=True,
        data_variable="ALFWORLD_DATA",
    )
)
register(
    EnvSpec(
        "webshop",
        env="proxmo.envs.webshop.env:WebShopEnv",
        tasks="proxmo.envs.webshop.tasks:load_tasks",
        expert="proxmo.envs.webshop.expert:Expert",
        max_steps=15,
        prompt_tokens=4096,
        demonstrations=12000,
        epochs=2,
        vocabulary=4096,
        prompt="numbered",
        context="window",
        history=0,
        worlds=60,
        graded=True,
        data_variable="WEBSHOP_DATA",
    )
)
