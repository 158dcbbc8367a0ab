"""Environments by name.

An environment is added with one call:

    register(EnvSpec("toy", env="my_package.toy:ToyEnv", tasks="my_package.toy:load_tasks"))
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from proxmo.envs.base import Expert, TaskSet, TextEnv
from proxmo.errors import InputError


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

    def make(self, *, max_steps: int | None = None, **options: Any) -> TextEnv:
        """A new environment."""
        steps = self.max_steps if max_steps is None else max_steps
        return _import(self.env)(max_steps=steps, **options)

    def load_tasks(
        self, split: str, path: str | None = None, seed: int = 0, count: int | None = None
    ) -> TaskSet:
        """The tasks of `split`: from data at `path`, or made from `seed` where there is none.

        `count` limits how many; None means all (or the environment's own default).
        """
        return _import(self.tasks)(split, path, seed, count)

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
    """The environment called `name`; an unknown name is refused with the known ones."""
    if name not in _SPECS:
        close = get_close_matches(str(name), _SPECS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"unknown environment {name!r}{hint} (known: {', '.join(names())})")
    return _SPECS[name]


def names() -> list[str]:
    """All registered names, sorted."""
    return sorted(_SPECS)


def _import(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


register(
    EnvSpec(
        "alfworld",
        env="proxmo.envs.alfworld.env:AlfworldEnv",
        tasks="proxmo.envs.alfworld.tasks:load_tasks",
        expert="proxmo.envs.alfworld.expert:Expert",
    )
)
register(
    EnvSpec(
        "webshop",
        env="proxmo.envs.webshop.env:WebShopEnv",
        tasks="proxmo.envs.webshop.tasks:load_tasks",
        expert="proxmo.envs.webshop.expert:Expert",
        max_steps=15,
    )
)
