"""How a built-in policy is made: what names it in the cache, and lies beside its weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import proxmo
from proxmo.cold_start.demonstrations import Demonstrations
from proxmo.config import SftConfig
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError
from proxmo.files import digest_of, write_text

RECIPE_FILE = "recipe.json"

Recipe = dict[str, Any]

_TOLD = (
    "env",
    "contents",
    "max_steps",
    "noise",
    *(entry.name for entry in dataclasses.fields(SftConfig)),
)
"""What the user can say of it; the rest is the environment's and proxmo's own."""


def recipe_of(
    spec: EnvSpec,
    data: str | None,
    config: SftConfig,
    max_steps: int | None,
    noise: float = 0.0,
) -> Recipe:
    """All that the policy depends on, ready for JSON."""
    own, source = spec.cold_start, spec.data(data)
    return {
        "version": proxmo.__version__,
        "env": spec.name,
        "data": str(Path(source).resolve()) if source else None,
        "contents": spec.fingerprint(data),
        "max_steps": max_steps or spec.max_steps,
        **({"noise": noise} if noise else {}),  # policies without any keep their names
        "prompt": [own.prompt, own.history, own.numbered_things],
        "worlds": own.worlds,
        **dataclasses.asdict(settled(spec, config)),
    }


def settled(spec: EnvSpec, config: SftConfig) -> SftConfig:
    """The settings, with the environment's own where they say none."""
    names = ("demonstrations", "epochs", "vocabulary", "context", "stumble_weight")
    own = {name: getattr(spec.cold_start, name) for name in names if getattr(config, name) is None}
    return dataclasses.replace(config, **own)


def name_of(recipe: Recipe) -> str:
    """The name of the policy's folder in the cache: wherever data is, its contents count."""
    told = {name: value for name, value in recipe.items() if name != "data"}
    digest = hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=6)
    return f"{recipe['env']}-{digest.hexdigest()}"


def write_recipe(folder: Path, recipe: Recipe, shown: Demonstrations) -> None:
    """Put it beside the weights, with what was shown and a digest of each file that is there."""
    files = {path.name: digest_of(path) for path in sorted(folder.iterdir()) if path.is_file()}
    counts = {"solved": len(shown.episodes), "played": shown.played, "errors": shown.errors}
    write_text(
        folder / RECIPE_FILE,
        json.dumps(recipe | {"shown": counts, "files": files}, indent=2) + "\n",
    )


def has_recipe(folder: Path) -> bool:
    """Whether it is on record how the policy in `folder` was made."""
    return (folder / RECIPE_FILE).is_file()


def read_recipe(folder: Path) -> Recipe:
    """The recipe of the policy in `folder`; `InputError` where it cannot be read."""
    file = folder / RECIPE_FILE
    try:
        recipe = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(recipe, dict):
            raise TypeError(f"it holds a {type(recipe).__name__}, not a table")
        if not isinstance(recipe.get("files", {}), dict):
            raise TypeError("its files are no table")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{file} is damaged ({error}); delete {folder}") from None
    return recipe


def made_otherwise(folder: Path, recipe: Recipe) -> tuple[str, Any, Any] | None:
    """A setting that the policy in `folder` was made with and that `recipe` has otherwise.

    Its name, its value then and now; None where all are the same, or nothing is on record.
    """
    if not has_recipe(folder):
        return None
    then = read_recipe(folder)
    for name in _TOLD:
        before, now = (told.get(name, 0.0 if name == "noise" else None) for told in (then, recipe))
        if before != now:
            if name == "contents":
                return "data", _data(then), _data(recipe)
            return name, before, now
    return None


def shown_in(folder: Path) -> str:
    """How the demonstrations that the policy in `folder` learnt from ended, in words."""
    shown = read_recipe(folder).get("shown")
    if not isinstance(shown, dict):
        return "what it was shown is not on record"
    told = f"{shown.get('solved')} of {shown.get('played')} demonstrations succeeded"
    return f"{told}, {shown['errors']} more broke off" if shown.get("errors") else told


def damaged_file(folder: Path) -> str | None:
    """The name of a file of the policy in `folder` that is not as it was written."""
    files = read_recipe(folder).get("files")
    if not files:  # nothing says how the others were
        return RECIPE_FILE
    for name, digest in files.items():
        path = folder / name
        if not path.is_file() or digest_of(path) != digest:
            return name
    return None


def _data(recipe: Recipe) -> str:
    return f"{recipe.get('data') or 'generated tasks'} (contents {recipe.get('contents')})"
