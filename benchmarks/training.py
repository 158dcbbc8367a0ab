"""Where the time of an update goes, and how that compares with TRL's GRPOTrainer.

    uv run python benchmarks/training.py [--model MODEL] [--tasks 16] [--group-size 8]

First an update on ALFWorld, taken apart. Then updates of one turn each, in which proxmo and
TRL (where it is installed) do the same: the same model and prompts, as many samples of as many
tokens, one pass of the loss with KL to the starting model, in the same precision. The model is
by default an untrained one of the built-in policy's size; it may end a response early, so tokens
are counted. Times are of this machine and this run: compare them with each other only.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from proxmo.cold_start.demonstrations import demonstrate
from proxmo.cold_start.model import make_model
from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.config import OptimConfig, PolicyConfig
from proxmo.credit import CREDIT, Steps
from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.envs.spec import EnvSpec
from proxmo.episodes.play import rollout
from proxmo.policies.transformers import PromptSettings, TransformersPolicy, fast_dtype, load_policy
from proxmo.training.rows import rows_of
from proxmo.training.update import update_policy
from proxmo.types import Trajectory

RATE = 1e-4


@dataclass
class Clock:
    """Seconds by part."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Count the block as time of `part`."""
        began = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - began


class TimedEnv:
    """An environment whose time is counted."""

    def __init__(self, env: Any, clock: Clock) -> None:
        self.env, self.clock = env, clock

    def reset(self, **options: Any) -> Any:
        """As the environment does."""
        with self.clock("environment"):
            return self.env.reset(**options)

    def step(self, action: str) -> Any:
        """As the environment does."""
        with self.clock("environment"):
            return self.env.step(action)

    def close(self) -> None:
        """As the environment does."""
        self.env.close()


class OneTurn:
    """Shows a prompt, takes one answer; half of the answers succeed."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Show the prompt."""
        return (options or {})["text"], {"admissible_actions": [], "goal": ""}

    def step(self, action: str) -> Any:
        """Take the answer."""
        success = len(action) % 2 == 0
        return "", 10.0 * success, True, False, {"admissible_actions": [], "success": success}

    def close(self) -> None:
        """Nothing is held."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the time of an update goes.")
    parser.add_argument("--model", help="model to measure; none: an untrained built-in one")
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32, help="most tokens of a one-turn response")
    parser.add_argument("--updates", type=int, default=3, help="measured, after one to warm up")
    options = parser.parse_args()
    spec = registry.get("alfworld")
    found = spec.load_tasks("train", None, seed=0, count=options.tasks)
    tasks = [found[number] for number in range(len(found))]
    with TemporaryDirectory() as folder:
        model = options.model or _untrained(spec, tasks, Path(folder, "model"))
        _taken_apart(model, spec, tasks, options)
        prompts = _prompts(spec, tasks)
        rows = [_proxmo(model, prompts, options)]
        if find_spec("trl") is None:
            print("\nTRL is not installed; to see it beside: pip install 'proxmo[trl]'")
        else:
            # Its speed depends on how much goes through the model at once, so twice.
            whole = options.tasks * options.group_size
            rows += [_trl(model, prompts, options, b, folder) for b in (max(1, whole // 8), whole)]
    _compared(rows)


def _untrained(spec: EnvSpec, tasks: list[Task], folder: Path) -> str:
    turns = [turn for episode in demonstrate(spec, tasks, seed=0).episodes for turn in episode]
    tokenizer = train_tokenizer(
        [text for turn in turns for text in (turn.observation, turn.action)]
    )
    settings = PromptSettings("conversation", "compact", max_response_tokens=12)
    TransformersPolicy(make_model(tokenizer, 0), tokenizer, settings).save(folder)
    return str(folder)


def _prompts(spec: EnvSpec, tasks: list[Task]) -> list[Task]:
    env = spec.make()
    texts = [env.reset(seed=0, options=task.options)[0] for task in tasks]
    return [Task(f"prompt-{number}", "", {"text": text}) for number, text in enumerate(texts)]


def _update(
    policy: TransformersPolicy, trajectories: list[Trajectory], method: str, clock: Clock
) -> None:
    """Credit, loss and one optimizer step, with the parts timed."""
    optimizer = torch.optim.AdamW(policy.model.parameters(), lr=RATE, weight_decay=0.0)
    began = 0.0

    def before(*_: Any) -> None:
        nonlocal began
        began = time.perf_counter()

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(
        lambda *_: clock.seconds.update(
            optimizer=clock.seconds["optimizer"] + time.perf_counter() - began
        )
    )
    with clock("credit"):
        credit = CREDIT[method]()(Steps.from_trajectories(trajectories))
    inside = sum(clock.seconds[part] for part in ("reference", "optimizer"))
    start = time.perf_counter()
    update_policy(
        policy,
        optimizer,
        Accelerator(cpu=not torch.cuda.is_available()),
        rows_of(trajectories, credit.advantage),
        OptimConfig(minibatches=1),
        temperature=1.0,
        seed=[0],
    )
    whole = time.perf_counter() - start
    clock.seconds["loss"] += whole - sum(clock.seconds[p] for p in ("reference", "optimizer"))
    clock.seconds["loss"] += inside


def _timed_policy(config: PolicyConfig, clock: Clock) -> TransformersPolicy:
    policy = load_policy(config, trainable=True)
    policy.keep_reference()
    reference = policy.reference

    @contextmanager
    def timed() -> Iterator[Any]:
        with clock("reference"), reference() as model:
            yield model

    policy.reference = timed  # type: ignore[method-assign]
    return policy


def _taken_apart(model: str, spec: EnvSpec, tasks: list[Task], options: argparse.Namespace) -> None:
    clock = Clock()
    policy = _timed_policy(PolicyConfig(model=model), clock)
    began = time.perf_counter()
    trajectories = rollout(
        policy,
        lambda: TimedEnv(spec.make(), clock),
        tasks,
        group_size=options.group_size,
        seed=0,
    )
    whole = time.perf_counter() - began
    clock.seconds["generate"] = whole - clock.seconds["environment"]
    _update(policy, trajectories, "proxmo", clock)
    steps = [step for trajectory in trajectories for step in trajectory.steps]
    sampled = sum(len(step.response_ids) for step in steps)
    read = sum(len(row) for row in rows_of(trajectories, np.zeros(len(steps)))) - sampled
    print(f"an update on ALFWorld: {len(trajectories)} episodes, {len(steps):,} steps, ", end="")
    print(f"{read:,} tokens read, {sampled:,} sampled\n")
    total = sum(clock.seconds.values())
    print(f"{'part':<14}{'seconds':>10}{'share':>9}")
    for part in ("generate", "environment", "credit", "loss", "reference", "optimizer"):
        print(f"{part:<14}{clock.seconds[part]:>10.2f}{clock.seconds[part] / total:>9.1%}")
    learn = sum(clock.seconds[part] for part in ("loss", "reference", "optimizer"))
    print(f"\ngeneration: {sampled / clock.seconds['generate']:,.0f} sampled tokens/s")
    print(f"training:   {(read + sampled) / learn:,.0f} tokens/s read and sampled", flush=True)


@dataclass(frozen=True)
class Measured:
    """Means over updates of one turn."""

    name: str
    samples: int
    prompt_tokens: float
    tokens: float
    generate: float
    learn: float


def _proxmo(model: str, prompts: list[Task], options: argparse.Namespace) -> Measured:
    clock = Clock()
    config = PolicyConfig(
        model=model, context="conversation", prompt="compact", max_response_tokens=options.tokens
    )
    policy = _timed_policy(config, clock)
    read, sampled, generate, learn = [], [], [], []
    samples = len(prompts) * options.group_size
    for update in range(options.updates + 1):
        began = time.perf_counter()
        played = rollout(policy, OneTurn, prompts, group_size=options.group_size, seed=update)
        middle = time.perf_counter()
        _update(policy, played, "grpo", clock)
        steps = [step for trajectory in played for step in trajectory.steps]
        generate.append(middle - began)
        learn.append(time.perf_counter() - middle)
        sampled.append(sum(len(step.response_ids) for step in steps))
        read.append(sum(len(row) for row in rows_of(played, np.zeros(len(steps)))) - sampled[-1])
    return Measured(
        "proxmo", samples, *(float(np.mean(x[1:])) for x in (read, sampled, generate, learn))
    )


def _trl(
    model: str, prompts: list[Task], options: argparse.Namespace, batch: int, folder: str
) -> Measured:
    """TRL's trainer on the same, `batch` samples through the model at once."""
    from datasets import Dataset  # type: ignore[import-not-found]
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer  # type: ignore[import-not-found]

    read, sampled, generate, whole = [], [], [], []

    def reward(
        prompts: list, completions: list, completion_ids: list, **_: Any
    ) -> list[float | None]:
        sampled.append(sum(map(len, completion_ids)))
        ids = tokenizer.apply_chat_template(prompts, add_generation_prompt=True)["input_ids"]
        read.append(sum(map(len, ids)))
        return [10.0 * (number % 2) for number in range(len(completion_ids))]

    class Timer(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            whole.append(time.perf_counter() - self.began)

    tokenizer = AutoTokenizer.from_pretrained(model)
    network: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    samples = len(prompts) * options.group_size
    texts = [[{"role": "user", "content": task.options["text"]}] for task in prompts]
    trainer = GRPOTrainer(
        model=network,
        processing_class=tokenizer,
        reward_funcs=reward,
        # Every update takes all prompts, as ours does.
        train_dataset=Dataset.from_dict({"prompt": texts * (options.updates + 1)}),
        args=GRPOConfig(
            output_dir=str(Path(folder, f"trl-{batch}")),
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=samples // batch,
            generation_batch_size=samples,
            num_generations=options.group_size,
            max_completion_length=options.tokens,
            max_steps=options.updates + 1,
            beta=0.01,
            learning_rate=RATE,
            temperature=1.0,
            shuffle_dataset=False,
            bf16=fast_dtype(network.device) == torch.bfloat16,  # as proxmo does
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
        ),
        callbacks=[Timer()],
    )
    made = network.generate

    def timed(*arguments: Any, **settings: Any) -> Any:
        began = time.perf_counter()
        result = made(*arguments, **settings)
        generate.append(time.perf_counter() - began)
        return result

    network.generate = timed
    trainer.train()
    assert len(generate) == len(whole), "TRL generated more than once an update"
    learn = [total - part for total, part in zip(whole, generate, strict=True)]
    name = f"TRL {metadata.version('trl')}, batch {batch}"
    return Measured(
        name, samples, *(float(np.mean(x[1:])) for x in (read, sampled, generate, learn))
    )


def _compared(rows: list[Measured]) -> None:
    print(f"\nupdates of one turn, {rows[0].samples} samples each\n")
    print(
        f"{'':<24}{'read':>9}{'sampled':>9}{'generate':>11}{'learn':>9}{'whole':>9}"
        f"{'sampled/s':>11}{'learnt/s':>10}{'proxmo is':>12}"
    )
    ours = rows[0]
    for row in rows:
        whole = row.generate + row.learn
        # Per sampled token, since one may have sampled a few more.
        ratio = (whole / row.tokens) / ((ours.generate + ours.learn) / ours.tokens)
        told = "" if row is ours else f"{ratio:.2f} x"
        print(
            f"{row.name:<24}{row.prompt_tokens:>9,.0f}{row.tokens:>9,.0f}{row.generate:>9.2f} s"
            f"{row.learn:>7.2f} s{whole:>7.2f} s{row.tokens / row.generate:>11,.0f}"
            f"{(row.prompt_tokens + row.tokens) / row.learn:>10,.0f}{told:>12}"
        )
    if len(rows) > 1:
        print("\n'proxmo is 2.00 x': as fast again, per sampled token of a whole update")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
