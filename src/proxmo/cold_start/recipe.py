"""How a built-in policy is made: what names it in the cache, and lies beside its weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import proxmo
from proxmo.config import SftConfig
from proxmo.envs.spec import EnvSpec
from proxmo.files import write_text

RECIPE_FILE = "recipe.json"

Recipe = dict[str, Any]

_TOLD = ("env", "data", "max_steps", *(entry.name for entry in dataclasses.fields(SftConfig)))
"""What the user can say of it; the rest is the environment's and proxmo's own."""


def recipe_of(spec: EnvSpec, data: str | None, config: SftConfig, max_steps: int | None) -> Recipe:
    """All that the policy depends on, ready for JSON."""
    own = spec.cold_start
    return {
        "version": proxmo.__version__,
        "env": spec.name,
        "data": str(Path(source).resolve()) if (source := spec.data(data)) else None,
        "max_steps": max_steps or spec.max_steps,
        "prompt": [
            spec.cold_start.prompt,
            spec.cold_start.history,
            spec.cold_start.numbered_things,
        ],
        "worlds": own.worlds,
        **dataclasses.asdict(settled(spec, config)),
    }


def settled(spec: EnvSpec, config: SftConfig) -> SftConfig:
    """The settings, with the environment's own where they say none."""
    names = ("demonstrations", "epochs", "vocabulary", "context", "stumble_weight")
    own = {name: getattr(spec.cold_start, name) for name in names if getattr(config, name) is None}
    return dataclasses.replace(config, **own)


def name_of(recipe: Recipe) -> str:
    """The name of the policy's folder in the cache."""
    digest = hashlib.blake2b(json.dumps(recipe, sort_keys=True).encode(), digest_size=6)
    return f"{recipe['env']}-{digest.hexdigest()}"


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Put it beside the weights."""
    write_text(folder / RECIPE_FILE, json.dumps(recipe, indent=2) + "\n")


def has_recipe(folder: Path) -> bool:
    """Whether it is on record how the policy in `folder` was made."""
    return (folder / RECIPE_FILE).is_file()


def made_otherwise(folder: Path, recipe: Recipe) -> tuple[str, Any, Any] | None:
    """A setting that the policy in `folder` was made with and that `recipe` has otherwise.

    Its name, its value then and now; None where all are the same, or nothing is on record.
    """
    if not has_recipe(folder):
        return None
    then: Recipe = json.loads((folder / RECIPE_FILE).read_text(encoding="utf-8"))
    for name in _TOLD:
        if then.get(name) != recipe[name]:
            return name, then.get(name), recipe[name]
    return None
