"""What a rollout costs in each context: window against conversation, on the same episodes.

    uv run python benchmarks/rollout.py [--model MODEL] [--tasks 128] [--stumble 0.5]

Both contexts play the very same episodes: the expert's actions are sent to the environment,
whatever the model says; the model reads what it would have to read and says as many tokens as
the expert's actions have on average. So the times differ by the context alone. A first, small
round of each warms up and is not counted. Prints a table; the model is by default an untrained
one of the built-in policy's size, and there are as many episodes as an update of 16 tasks x 8.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from proxmo.cold_start.demonstrations import DemonstratedTurn, demonstrate
from proxmo.cold_start.lessons import lessons_of
from proxmo.cold_start.model import make_model
from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.config import PolicyConfig
from proxmo.envs import registry
from proxmo.policies.transformers import PromptSettings, TransformersPolicy, load_policy
from proxmo.policies.transformers.logprobs import response_logprobs
from proxmo.training.rows import Row, micro_batches, shared
from proxmo.training.update import MICRO_BATCH_TOKENS
from proxmo.types import Context

Episodes = list[list[DemonstratedTurn]]
CONTEXTS: tuple[Context, ...] = ("window", "conversation")


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a rollout, window and conversation.")
    parser.add_argument("--model", help="model to measure; none: an untrained built-in one")
    parser.add_argument("--tasks", type=int, default=128, help="episodes that run side by side")
    parser.add_argument("--stumble", type=float, default=0.5, help="share of random actions")
    options = parser.parse_args()
    spec = registry.get("alfworld")
    tasks = spec.load_tasks("train", None, seed=0, count=options.tasks)
    # An expert that stumbles plays episodes of the length that an untrained policy plays.
    episodes = demonstrate(
        spec, [tasks[i] for i in range(len(tasks))], seed=0, stumble=options.stumble
    ).episodes
    turns = sum(map(len, episodes))
    print(f"{len(episodes)} episodes, {turns} turns\n")
    print(f"{'context':<14}{'generate':>10}{'learn':>10}{'both':>10}{'tokens learnt from':>21}")
    totals = {}
    with TemporaryDirectory() as folder:
        model = options.model or _untrained(episodes, Path(folder))
        for context in CONTEXTS:
            policy = _load(model, context, episodes)
            _generate(policy, episodes[:4])
            _learn(policy, episodes[:4])
            generate, learn = _generate(policy, episodes), _learn(policy, episodes)
            totals[context] = generate + learn
            rows = _rows(policy, episodes)
            print(
                f"{context:<14}{generate:>8.2f} s{learn:>8.2f} s{totals[context]:>8.2f} s"
                f"{sum(map(len, rows)):>21,}"
            )
    ratio = totals["conversation"] / totals["window"]
    print(f"\nconversation / window: {ratio:.2f}")


def _load(model: str, context: Context, episodes: Episodes) -> TransformersPolicy:
    """The model, allowed responses as long as the mean action."""
    config = PolicyConfig(model=model, context=context, prompt="compact")
    policy = load_policy(config)
    said = [policy.tokenizer(turn.action)["input_ids"] for turns in episodes for turn in turns]
    length = 1 + round(float(np.mean([len(ids) for ids in said])))  # and the end of the turn
    return load_policy(dataclasses.replace(config, max_response_tokens=length))


def _untrained(episodes: Episodes, folder: Path) -> str:
    texts = [
        text for turns in episodes for turn in turns for text in (turn.observation, turn.action)
    ]
    tokenizer = train_tokenizer(texts)
    settings = PromptSettings("conversation", "compact")
    TransformersPolicy(make_model(tokenizer, 0), tokenizer, settings).save(folder)
    return str(folder)


def _generate(policy: TransformersPolicy, episodes: Episodes) -> float:
    """Seconds to respond to every observation of the episodes, all episodes side by side."""
    rngs = [np.random.default_rng(number) for number in range(len(episodes))]
    began = time.perf_counter()
    dialogue = policy.open(rngs, temperature=1.0, greedy=False)
    for step in range(max(map(len, episodes))):
        live = [number for number, turns in enumerate(episodes) if len(turns) > step]
        prompts = [_prompt(policy, episodes[number], step) for number in live]
        dialogue.respond(live, prompts)
    return time.perf_counter() - began


def _prompt(policy: TransformersPolicy, turns: list[DemonstratedTurn], step: int) -> str:
    turn = turns[step]
    past = [(earlier.observation, earlier.action) for earlier in turns[:step]]
    return policy.prompter.turn(policy.context, turn.goal, past, turn.observation, ()).text


def _rows(policy: TransformersPolicy, episodes: Episodes) -> list[Row]:
    """Every action, a stumble or not, as if the policy had said it."""
    lessons = lessons_of(policy, episodes, observation_weight=0.0, stumble_weight=1.0)
    return [Row(x.tokens, x.taught, x.weights, np.zeros_like(x.weights)) for x in lessons]


def _learn(policy: TransformersPolicy, episodes: Episodes) -> float:
    """Seconds for loss and gradient of every action of the episodes."""
    batches = micro_batches(shared(_rows(policy, episodes)), MICRO_BATCH_TOKENS[policy.device.type])
    began = time.perf_counter()
    for batch in batches:
        with policy.learning():
            batch = batch.to(policy.device)
            logprobs = response_logprobs(policy.model, batch.input_ids, batch.response_mask)
            logprobs.mean().backward()
    seconds = time.perf_counter() - began
    policy.model.zero_grad()
    return seconds


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
