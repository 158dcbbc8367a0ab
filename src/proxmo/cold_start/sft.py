"""The cold start: a small policy from nothing, by imitation of an expert.

The policy learns the environment's language and the outline of its tasks, and no more: it
is under-trained on purpose, so that reinforcement has something to win.
"""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from proxmo.cold_start.model import make_model, train_tokenizer
from proxmo.cold_start.recipe import (
    Recipe,
    has_recipe,
    made_otherwise,
    name_of,
    recipe_of,
    settled,
    write_recipe,
)
from proxmo.config import SftConfig
from proxmo.envs.base import Task
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError
from proxmo.files import whole
from proxmo.policies.transformers import PromptSettings, TransformersPolicy, fast_dtype
from proxmo.policies.transformers.batches import by_length, padded
from proxmo.policies.transformers.logprobs import response_logprobs
from proxmo.prompts import Prompter
from proxmo.types import Step, Trajectory


@dataclasses.dataclass(frozen=True, slots=True)
class SftProgress:
    """Where a cold start stands."""

    stage: Literal["demonstrations", "training"]
    done: int
    total: int
    loss: float | None = None
    """Mean negative log-likelihood of an action's token, in nats."""


Reporter = Callable[[SftProgress], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """A step of a demonstration."""

    goal: str
    observation: str
    action: str
    stumble: bool = False
    """Whether it was not what the expert chose."""


def demonstrate(
    spec: EnvSpec,
    tasks: Sequence[Task],
    *,
    seed: int,
    stumble: float = 0.0,
    max_steps: int | None = None,
    report: Reporter | None = None,
) -> list[list[Turn]]:
    """Episodes of the expert, failures left out.

    At a share `stumble` of the steps something else is done than what the expert chose: an
    action that is admissible, or that was earlier in the episode and may not be any more.
    """
    env = spec.make(max_steps=max_steps)
    episodes = []
    for number, task in enumerate(tasks):
        rng = random.Random(f"{seed}/{number}")
        expert = spec.make_expert(seed=seed + number)
        observation, info = env.reset(seed=seed, options=task.options)
        expert.reset(observation)
        turns: list[Turn] = []
        known: dict[str, None] = {}  # admissible so far; a dictionary keeps their order
        ended = False
        while not ended:
            action = expert.act(observation, info["admissible_actions"])
            known.update(dict.fromkeys(info["admissible_actions"]))
            stumbles = rng.random() < stumble
            if stumbles:
                action = rng.choice(list(known))
            turns.append(Turn(info.get("goal", ""), observation, action, stumbles))
            observation, _, terminated, truncated, info = env.step(action)
            ended = terminated or truncated
        if info["success"]:
            episodes.append(turns)
        if report is not None:
            report(SftProgress("demonstrations", number + 1, len(tasks)))
    return episodes


def tokenized(policy: TransformersPolicy, turns: Sequence[Turn], name: str) -> Trajectory:
    """A demonstration as the policy would have lived it."""
    chat, prompter = policy.chat, policy.prompter
    end = policy.tokenizer.eos_token_id
    steps: list[Step] = []
    for turn in turns:
        past = [(step.observation, step.action) for step in steps]
        if policy.context == "window":
            ids = chat.opening(prompter.window(turn.goal, past, turn.observation, ()))
        elif not steps:
            ids = chat.opening(prompter.opening(turn.goal, turn.observation, ()))
        else:
            ids = chat.following(prompter.following(turn.observation, ()), end)
        answer = prompter.response("", turn.action, turn.observation)
        said = [*policy.tokenizer(answer, add_special_tokens=False)["input_ids"], end]
        steps.append(
            Step(
                observation=turn.observation,
                prompt=turn.observation,
                response=answer,
                action=turn.action,
                reward=0.0,
                valid=True,
                prompt_ids=tuple(ids),
                response_ids=tuple(said),
                logprobs=(0.0,) * len(said),
            )
        )
    return Trajectory(
        id=name,
        group=name,
        task=name,
        task_type="",
        seed=0,
        steps=tuple(steps),
        success=True,
        context=policy.context,
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A text to learn from; both arrays are (tokens,)."""

    tokens: np.ndarray
    weights: np.ndarray
    """Of each token's log-likelihood in the loss."""
    share: float
    """Of the tokens that are the expert's actions."""

    def __len__(self) -> int:
        return len(self.tokens)


def lessons(
    policy: TransformersPolicy,
    episodes: Sequence[Sequence[Turn]],
    observation_weight: float,
    stumble_weight: float = 0.0,
    *,
    action_share: float = 0.0,
    seed: int = 0,
) -> list[Lesson]:
    """The demonstrations as texts with a weight for each token.

    The tokens of the expert's actions count 1, of stumbles `stumble_weight`, of observations
    `observation_weight`. Some are left out where actions are less than `action_share` of the
    tokens (`thinned`).
    """
    found = []
    for number, turns in enumerate(episodes):
        steps = tokenized(policy, turns, str(number)).steps
        told = [
            (step.prompt_ids, step.response_ids, stumble_weight if turn.stumble else 1.0)
            for step, turn in zip(steps, turns, strict=True)
        ]
        whole = [told] if policy.context == "conversation" else [[turn] for turn in told]
        found += [_lesson(turns, observation_weight) for turns in whole]
    return thinned(found, action_share, np.random.default_rng(seed))


def thinned(found: Sequence[Lesson], share: float, rng: np.random.Generator) -> list[Lesson]:
    """The lessons, without some of those in which fewer tokens than `share` are the expert's.

    One with half that share is kept in one of two cases, and so on: time goes where the lessons
    are. In a shop, what answers a page of results is a hundredth of its length.
    """
    return [lesson for lesson in found if rng.random() * share <= lesson.share]


def _lesson(
    turns: Sequence[tuple[Sequence[int], Sequence[int], float]], observation_weight: float
) -> Lesson:
    tokens: list[int] = []
    weights: list[float] = []
    experts = 0
    for read, said, weight in turns:
        tokens += [*read, *said]
        weights += [observation_weight] * len(read) + [weight] * len(said)
        experts += len(said) * (weight == 1.0)
    return Lesson(
        np.array(tokens, dtype=np.int64),
        np.array(weights, dtype=np.float32),
        experts / len(tokens),
    )


def fine_tune(
    model: nn.Module,
    rows: Sequence[Lesson],
    config: SftConfig,
    report: Reporter | None = None,
) -> float:
    """Fit the model to the lessons.

    Rows without weight are left out.
    Returns the mean negative log-likelihood of a token of weight 1 over the last tenth.
    """
    device = next(model.parameters()).device
    dtype = fast_dtype(device)
    optimizers = _optimizers(model, config.learning_rate)
    rng = np.random.default_rng(config.seed)
    batches = [batch for _ in range(config.epochs or 1) for batch in _shuffled(rows, config, rng)]
    schedules = [
        torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=len(batches) + 1,
            pct_start=0.1,
            cycle_momentum=False,
        )
        for optimizer in optimizers
    ]
    losses = []
    for number, batch in enumerate(batches):
        weight = sum(float(row.weights.sum()) for row in batch)
        surprise = learnt = 0.0
        for part in by_length(batch, config.batch_tokens):
            told = padded([np.arange(len(row)) > 0 for row in part], np.bool_).to(device)
            ids = padded([row.tokens for row in part], np.int64).to(device)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                logprobs = response_logprobs(model, ids, told)
            weights = padded([row.weights for row in part], np.float32).to(device)[told]
            (-(weights * logprobs).sum() / weight).backward()
            surprise -= float(logprobs.detach()[weights == 1.0].sum())
            learnt += float((weights == 1.0).sum())
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        losses.append(surprise / max(learnt, 1.0))
        if report is not None:
            report(SftProgress("training", number + 1, len(batches), losses[-1]))
    return float(np.mean(losses[-max(1, len(losses) // 10) :]))


def _optimizers(model: nn.Module, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices between embedding and output, AdamW for all else.

    Muon (Jordan 2024) reaches the same loss on a third fewer tokens here, and tokens are
    what two CPU cores have few of.
    """
    embeddings = {
        id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()
    }
    hidden = [p for p in model.parameters() if p.ndim == 2 and id(p) not in embeddings]
    others = [p for p in model.parameters() if p.ndim != 2 or id(p) in embeddings]
    return [
        torch.optim.Muon(hidden, lr=learning_rate, weight_decay=0.0),
        torch.optim.AdamW(others, lr=learning_rate / 10, weight_decay=0.0, betas=(0.9, 0.95)),
    ]


def _shuffled(
    rows: Sequence[Lesson], config: SftConfig, rng: np.random.Generator
) -> list[list[Lesson]]:
    """All rows, in random order, in batches of at most `batch_tokens` tokens.

    A batch holds rows of all lengths, since length goes with what is to be learnt: the first
    page of a shop is short and answered by a search.
    """
    batches: list[list[Lesson]] = []
    tokens = 0
    for row in (rows[int(i)] for i in rng.permutation(len(rows))):
        if not row.weights.any():
            continue
        if not batches or tokens + len(row) > config.batch_tokens:
            batches.append([])
            tokens = 0
        batches[-1].append(row)
        tokens += len(row)
    return batches


def make_policy(
    spec: EnvSpec,
    data: str | None,
    config: SftConfig,
    *,
    max_steps: int | None = None,
    report: Reporter | None = None,
) -> TransformersPolicy:
    """Demonstrations, a tokenizer fitted to them, and a model fitted to both."""
    config, own = settled(spec, config), spec.cold_start
    assert config.demonstrations
    assert config.vocabulary
    assert config.context
    chosen = _draw(spec, data, config.seed, config.demonstrations)
    episodes = demonstrate(
        spec,
        chosen,
        seed=config.seed,
        stumble=config.stumble,
        max_steps=max_steps,
        report=report,
    )
    if not episodes:
        raise InputError(
            f"the expert solved none of {len(chosen)} tasks of {spec.name!r} in "
            f"{max_steps or spec.max_steps} steps; allow it more (--max-steps)"
        )
    prompter = Prompter(own.prompt, codec=spec.make_codec())
    turns = [turn for episode in episodes for turn in episode]
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
    rows = lessons(
        policy,
        episodes,
        config.observation_weight,
        config.stumble_weight or 0.0,
        action_share=config.action_share,
        seed=config.seed,
    )
    fine_tune(policy.model, rows, config, report)
    return policy


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
    folder: Path | None = None,
    report: Reporter | None = None,
) -> Path:
    """The folder of a built-in policy made with these settings; made now unless cached.

    The cache is `$PROXMO_CACHE`, by default `~/.cache/proxmo`. A policy appears there, or in
    `folder`, whole or not at all. Raises `InputError` where `folder` holds anything else.
    """
    recipe = recipe_of(spec, data, config, max_steps)
    cached = cache_folder() / "cold-start" / name_of(recipe)
    target = folder or cached
    if folder is not None:
        _check_folder(folder, recipe)
    if (target / "config.json").is_file():
        return target
    if (cached / "config.json").is_file():
        with whole(target, keep=True) as path:
            shutil.copytree(cached, path)
            write_recipe(path, recipe)
        return target
    policy = make_policy(spec, data, config, max_steps=max_steps, report=report)
    with whole(target, keep=True) as path:
        path.mkdir()
        policy.save(path)
        write_recipe(path, recipe)
    return target


def _check_folder(folder: Path, recipe: Recipe) -> None:
    """Refuse a folder with anything in it but the policy of this recipe."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder} is a file; give a folder")
    if not folder.is_dir() or not any(folder.iterdir()):
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


def cache_folder() -> Path:
    """Where policies that were made are kept."""
    return Path(os.environ.get("PROXMO_CACHE") or Path.home() / ".cache" / "proxmo")
