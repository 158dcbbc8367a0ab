"""What it saves to read rows once that repeat each other, in one update of the built-in policy.

    uv run python benchmarks/repeated_rows.py [--env webshop] [--tasks 8] [--group-size 8]

The episodes are an expert's that stumbles, so that those of a task part after a while, as a
policy's do: `--stumble` is the share of random actions. The update is timed with and without
sharing, turn about, so that other work on the machine meets both; the model is made from nothing,
and what it says does not matter to the time that its update takes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import numpy as np
import torch
from accelerate import Accelerator

from proxmo.cold_start.demonstrations import demonstrate
from proxmo.cold_start.lessons import lessons_of
from proxmo.cold_start.model import make_model
from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.config import OptimConfig
from proxmo.envs import registry
from proxmo.policies.transformers import PromptSettings, TransformersPolicy
from proxmo.training import update
from proxmo.training.rows import Row, SharedRow, shared


def rows_to_learn(
    env: str, tasks: int, group_size: int, stumble: float
) -> tuple[TransformersPolicy, list[Row]]:
    """An untrained policy of the environment's kind, and the rows of an update."""
    spec = registry.get(env)
    own = spec.cold_start
    drawn = spec.load_tasks("train", None, seed=0, count=tasks)
    played = [drawn[i] for i in range(tasks) for _ in range(group_size)]
    episodes = demonstrate(spec, played, seed=0, stumble=stumble).episodes
    texts = [text for turns in episodes for t in turns for text in (t.observation, t.action)]
    tokenizer = train_tokenizer(texts, own.vocabulary, numbered_things=own.numbered_things)
    settings = PromptSettings(
        own.context, own.prompt, own.history, max_prompt_tokens=spec.prompt_tokens
    )
    model = make_model(tokenizer, 0).eval()
    policy = TransformersPolicy(model, tokenizer, settings, codec=spec.make_codec())
    policy.keep_reference()
    lessons = lessons_of(policy, episodes, observation_weight=0.0, stumble_weight=1.0)
    return policy, [Row(x.tokens, x.taught, x.weights, np.zeros_like(x.weights)) for x in lessons]


def each_alone(rows: Sequence[Row]) -> list[SharedRow]:
    """Every row read by itself."""
    return [SharedRow((row,)) for row in rows]


def main() -> None:
    """Print seconds of an update both ways."""
    parser = argparse.ArgumentParser(description="What reading equal rows once saves.")
    parser.add_argument("--env", default="webshop")
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--stumble", type=float, default=0.3)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    policy, rows = rows_to_learn(options.env, options.tasks, options.group_size, options.stumble)
    optimizer = torch.optim.SGD(policy.model.parameters(), lr=0.0)
    accelerator = Accelerator(cpu=policy.device.type == "cpu")
    seconds: dict[str, list[float]] = {"each alone": [], "equal rows once": []}
    repeated = 0.0
    for _ in range(options.repeats):
        for name, together in (("each alone", each_alone), ("equal rows once", shared)):
            update.shared = together
            began = time.perf_counter()
            metrics = update.update_policy(
                policy, optimizer, accelerator, rows, OptimConfig(), temperature=1.0, seed=[0]
            )
            seconds[name].append(time.perf_counter() - began)
            repeated = metrics["optim/repeated_rows"]
    print(f"{options.env}: {len(rows):,} rows, {sum(map(len, rows)):,} tokens", end="; ")
    print(f"{repeated:.1%} of the rows repeat another of their minibatch")
    for name, times in seconds.items():
        told = ", ".join(f"{t:.2f}" for t in times)
        print(f"{name:<18}{statistics.median(times):8.2f} s (each: {told})")
    ratio = statistics.median(seconds["equal rows once"]) / statistics.median(seconds["each alone"])
    print(f"equal rows once / each alone: {ratio:.2f}")


if __name__ == "__main__":
    main()
