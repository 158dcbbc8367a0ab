"""The cold start: a small policy from nothing, by imitation of an expert.

The policy learns the environment's language and the outline of its tasks, and no more: it
is under-trained on purpose, so that reinforcement has something to win.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from proxmo.cold_start.demonstrations import (
    Demonstrations,
    demonstrate,
    require_successes,
    try_expert,
)
from proxmo.cold_start.fit import fine_tune
from proxmo.cold_start.lessons import lessons_of
from proxmo.cold_start.model import make_model
from proxmo.cold_start.progress import SftReport
from proxmo.cold_start.recipe import (
    Recipe,
    damaged_file,
    has_recipe,
    made_otherwise,
    name_of,
    recipe_of,
    settled,
    write_recipe,
)
from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.config import SftConfig
from proxmo.envs.base import Task
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError
from proxmo.files import cache_folder, remove, sweep, whole
from proxmo.policies.transformers import PromptSettings, TransformersPolicy
from proxmo.prompts import Prompter


def make_policy(
    spec: EnvSpec,
    data: str | None,
    config: SftConfig,
    *,
    max_steps: int | None = None,
    noise: float = 0.0,
    report: SftReport | None = None,
) -> tuple[TransformersPolicy, Demonstrations]:
    """Demonstrations, a tokenizer fitted to them, and a model fitted to both.

    Raises `InputError` where the expert, left to itself, fails at most of its tasks.
    """
    config, own = settled(spec, config), spec.cold_start
    assert config.demonstrations
    assert config.vocabulary
    assert config.context
    chosen = _draw(spec, data, config.seed, config.demonstrations)
    try_expert(spec, chosen, seed=config.seed, max_steps=max_steps)
    found = demonstrate(
        spec,
        chosen,
        seed=config.seed,
        stumble=config.stumble,
        max_steps=max_steps,
        noise=noise,
        report=report,
    )
    require_successes(found, spec, config.stumble)
    prompter = Prompter(own.prompt, codec=spec.make_codec())
    turns = [turn for episode in found.episodes for turn in episode]
    read = [prompter.following(turn.observation, ()) for turn in turns]
    said = [prompter.response("", turn.action, turn.observation) for turn in turns]
    texts = [text for pair in zip(read, said, strict=True) for text in pair]
    tokenizer = train_tokenizer(texts, config.vocabulary, numbered_things=own.numbered_things)
    settings = PromptSettings(
        context=config.context,
        style=own.prompt,
        history=own.history,
        max_response_tokens=_longest(tokenizer, said),
    )
    model = make_model(tokenizer, config.seed, induction=not own.numbered_things)
    policy = TransformersPolicy(model, tokenizer, settings, codec=spec.make_codec())
    rows = lessons_of(
        policy,
        found.episodes,
        config.observation_weight,
        config.stumble_weight or 0.0,
        action_share=config.action_share,
        seed=config.seed,
    )
    fine_tune(policy.model, rows, config, report)
    return policy, found


def _draw(spec: EnvSpec, data: str | None, seed: int, count: int) -> list[Task]:
    """`count` tasks in random order: of the data, else generated in the environment's worlds.

    Where there are fewer tasks than asked for, each is drawn more than once.
    """
    worlds = 1 if spec.data(data) else spec.cold_start.worlds
    drawn: list[Task] = []
    for world in range(worlds):
        share = count // worlds + (world < count % worlds)
        if share:
            tasks = spec.load_tasks("train", data, seed=seed + world, count=share)
            order = np.random.default_rng(seed).permutation(len(tasks))
            drawn += [tasks[int(i)] for i in np.resize(order, share)]
    return drawn


def _longest(tokenizer: Any, said: Sequence[str]) -> int:
    """Tokens of the longest response, the end of the turn included."""
    responses = list(dict.fromkeys(said))
    return 1 + max(map(len, tokenizer(responses, add_special_tokens=False)["input_ids"]))


def cold_start(
    spec: EnvSpec,
    data: str | None,
    config: SftConfig,
    *,
    max_steps: int | None = None,
    noise: float = 0.0,
    folder: Path | None = None,
    report: SftReport | None = None,
) -> Path:
    """The folder of a built-in policy made with these settings; made now unless cached.

    The cache is `$PROXMO_CACHE`, by default `~/.cache/proxmo`. A policy appears there, or in
    `folder`, whole or not at all. Raises `InputError` where `folder` holds anything else.
    """
    recipe = recipe_of(spec, data, config, max_steps, noise)
    cached = cache_folder() / "cold-start" / name_of(recipe)
    for place in {cached.parent, (folder or cached).parent}:
        sweep(place)
    if folder is not None:
        _check_folder(folder, recipe)
        if not _is_empty(folder):
            return folder
    if not _is_whole(cached):
        remove(cached)
        policy, shown = make_policy(
            spec, data, config, max_steps=max_steps, noise=noise, report=report
        )
        with whole(folder or cached, keep=True) as path:
            path.mkdir()
            policy.save(path)
            write_recipe(path, recipe, shown)
    elif folder is not None:
        with whole(folder, keep=True) as path:
            shutil.copytree(cached, path)
    return folder or cached


def _is_whole(cached: Path) -> bool:
    """Whether the policy is in the cache, as it was written; what is damaged is made anew."""
    try:
        return has_recipe(cached) and damaged_file(cached) is None
    except InputError:
        return False


def _is_empty(folder: Path) -> bool:
    """Whether nothing at all is there: not even a lock, or a file that is being written."""
    return not folder.exists() or not any(folder.iterdir())


def _check_folder(folder: Path, recipe: Recipe) -> None:
    """Refuse a folder with anything in it but the policy of this recipe."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder} is a file; give a folder")
    if _is_empty(folder):
        return
    if not has_recipe(folder):
        what = "a model" if (folder / "config.json").is_file() else "other files"
        raise InputError(
            f"--out {folder} holds {what}, and no record of `proxmo sft` having made it; give "
            "another folder"
        )
    change = made_otherwise(folder, recipe)
    if change is not None:
        name, then, now = change
        raise InputError(
            f"--out {folder} holds a policy that was made with {name} = {then!r}, and {now!r} is "
            "asked for; give another folder, or delete that one"
        )
    damaged = damaged_file(folder)
    if damaged is not None:
        raise InputError(
            f"--out {folder} holds a policy whose {damaged} is not as it was written; delete that "
            "folder to make it again"
        )
