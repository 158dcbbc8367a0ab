"""The cold start: a small policy from nothing, by imitation of an expert.

The policy learns the environment's language and the outline of its tasks, and no more: it
is under-trained on purpose, so that reinforcement has something to win.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import nn

import proxmo
from proxmo.config import Positive, PositiveFloat
from proxmo.envs.base import Task
from proxmo.envs.registry import EnvSpec
from proxmo.policies.builtin import make_model, train_tokenizer
from proxmo.policies.transformers import PromptSettings, TransformersPolicy
from proxmo.training.batch import Batch, Row, micro_batches, rows_of
from proxmo.training.loss import response_logprobs
from proxmo.types import Step, Trajectory


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SftConfig:
    """How the built-in policy is made."""

    demonstrations: Positive = 1200
    """Episodes of the expert to learn from."""
    epochs: Positive = 1
    """Passes over the demonstrations."""
    learning_rate: PositiveFloat = 1e-3
    """Peak of AdamW's step, reached after a warm-up and left along a cosine."""
    batch_tokens: Positive = 8192
    """Tokens per optimizer step."""
    observation_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of an observation's tokens in the loss, an action's being 1: reading teaches
    a model made from nothing what the words mean."""
    vocabulary: Positive = 1024
    """Tokens of the tokenizer."""
    context: Literal["window", "conversation"] = "conversation"
    """How the policy sees the past."""
    seed: int = 0
    """Seed of weights, order and the expert's choices."""


@dataclasses.dataclass(frozen=True, slots=True)
class SftProgress:
    """Where a cold start stands."""

    stage: Literal["demonstrations", "training"]
    done: int
    total: int
    loss: float | None = None
    """Mean negative log-likelihood of an action's token, in nats."""


Reporter = Callable[[SftProgress], None]


def demonstrate(
    spec: EnvSpec,
    tasks: Sequence[Task],
    *,
    seed: int,
    max_steps: int | None = None,
    report: Reporter | None = None,
) -> list[list[tuple[str, str, str]]]:
    """Episodes of the expert, each a list of (goal, observation, action); failures left out."""
    env = spec.make(max_steps=max_steps)
    episodes = []
    for number, task in enumerate(tasks):
        expert = spec.make_expert(seed=seed + number)
        observation, info = env.reset(seed=seed, options=task.options)
        goal, turns, ended = info.get("goal", ""), [], False
        expert.reset(observation)
        while not ended:
            action = expert.act(observation, info["admissible_actions"])
            turns.append((goal, observation, action))
            observation, _, terminated, truncated, info = env.step(action)
            ended = terminated or truncated
        if info["success"]:
            episodes.append(turns)
        if report is not None:
            report(SftProgress("demonstrations", number + 1, len(tasks)))
    return episodes


def tokenized(
    policy: TransformersPolicy, turns: Sequence[tuple[str, str, str]], name: str
) -> Trajectory:
    """A demonstration as the policy would have lived it."""
    chat, prompter = policy.chat, policy.prompter
    end = policy.tokenizer.eos_token_id
    steps: list[Step] = []
    for goal, observation, action in turns:
        past = [(step.observation, step.action) for step in steps]
        if policy.context == "window":
            ids = chat.opening(prompter.window(goal, past, observation, ()))
        elif not steps:
            ids = chat.opening(prompter.opening(goal, observation, ()))
        else:
            ids = chat.following(prompter.following(observation, ()), turn_ended=True)
        said = [*policy.tokenizer(action, add_special_tokens=False)["input_ids"], end]
        steps.append(
            Step(
                observation=observation,
                prompt=observation,
                response=action,
                action=action,
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


def fine_tune(
    model: nn.Module, rows: Sequence[Row], config: SftConfig, report: Reporter | None = None
) -> float:
    """Fit the model to the rows, whose `advantages` weigh their tokens' log-likelihoods.

    Returns the mean negative log-likelihood of an action's token over the last tenth.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.01)
    rng = np.random.default_rng(config.seed)
    batches = [batch for _ in range(config.epochs) for batch in _shuffled(rows, config, rng)]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=len(batches) + 1, pct_start=0.1
    )
    losses = []
    for number, batch in enumerate(batches):
        logprobs = response_logprobs(model, batch)
        weights = batch.advantages[batch.response_mask]
        loss = -(weights * logprobs).sum() / weights.sum()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        acted = weights == 1.0
        losses.append(-float(logprobs.detach()[acted].mean()))
        if report is not None:
            report(SftProgress("training", number + 1, len(batches), losses[-1]))
    return float(np.mean(losses[-max(1, len(losses) // 10) :]))


def _shuffled(rows: Sequence[Row], config: SftConfig, rng: np.random.Generator) -> list[Batch]:
    batches = list(micro_batches(rows, config.batch_tokens))
    rng.shuffle(batches)  # type: ignore[arg-type]  # a list of any objects will do
    return batches


def weighted(row: Row, observation_weight: float) -> Row:
    """The row with every token learnt: actions with weight 1, observations with less."""
    weights = np.where(row.response_mask, 1.0, observation_weight).astype(np.float32)
    every = np.ones(len(row.tokens), dtype=bool)
    every[0] = False  # nothing stands before the first token
    return dataclasses.replace(row, response_mask=every, advantages=weights)


def make_policy(
    spec: EnvSpec,
    games: str | None,
    config: SftConfig,
    *,
    max_steps: int | None = None,
    report: Reporter | None = None,
) -> TransformersPolicy:
    """Demonstrations, a tokenizer fitted to them, and a model fitted to both."""
    tasks = spec.load_tasks("train", games, seed=config.seed, count=config.demonstrations)
    order = np.random.default_rng(config.seed).permutation(len(tasks))
    chosen = [tasks[int(i)] for i in order[: config.demonstrations]]
    episodes = demonstrate(spec, chosen, seed=config.seed, max_steps=max_steps, report=report)
    texts = [text for turns in episodes for _, *said in turns for text in said]
    tokenizer = train_tokenizer(texts, config.vocabulary)
    settings = PromptSettings(
        context=config.context, style="compact", history=2, max_response_tokens=16
    )
    policy = TransformersPolicy(make_model(tokenizer, config.seed), tokenizer, settings)
    trajectories = [tokenized(policy, turns, str(i)) for i, turns in enumerate(episodes)]
    steps = sum(len(trajectory.steps) for trajectory in trajectories)
    rows = [
        weighted(row, config.observation_weight) for row in rows_of(trajectories, np.ones(steps))
    ]
    fine_tune(policy.model, rows, config, report)
    return policy


def cold_start(
    spec: EnvSpec,
    games: str | None,
    config: SftConfig,
    *,
    max_steps: int | None = None,
    folder: Path | None = None,
    report: Reporter | None = None,
) -> Path:
    """The folder of a built-in policy made with these settings; made now unless cached.

    The cache is `$PROXMO_CACHE`, by default `~/.cache/proxmo`. A policy appears there whole
    or not at all.
    """
    target = folder or cache_folder() / "cold-start" / _fingerprint(spec, games, config, max_steps)
    if (target / "config.json").is_file():
        return target
    policy = make_policy(spec, games, config, max_steps=max_steps, report=report)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    try:
        policy.save(unfinished)
        unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return target


def cache_folder() -> Path:
    """Where policies that were made are kept."""
    return Path(os.environ.get("PROXMO_CACHE") or Path.home() / ".cache" / "proxmo")


def _fingerprint(spec: EnvSpec, games: str | None, config: SftConfig, max_steps: int | None) -> str:
    told = {
        "version": proxmo.__version__,
        "env": spec.name,
        "games": str(Path(games).resolve()) if games else os.environ.get("ALFWORLD_DATA"),
        "max_steps": max_steps,
        **dataclasses.asdict(config),
    }
    digest = hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=6)
    return f"{spec.name}-{digest.hexdigest()}"
