"""What credit adds to a training step of TRL, against TRL's own GRPO in the same run.

    uv run python benchmarks/adapters.py [--updates 4] [--turns 8]

16 generated ALFWorld games, 8 trajectories each, played and learnt from by TRL on CPU with the
built-in model (about four million weights). Updates take turns: one with credit by ProxMO, one
with nothing after TRL's own advantages, which it computes in both. Actions are drawn from the
admissible ones, whatever the untrained model says, so that observations are as varied as in
real episodes. Few turns make a step short and the ratio large: real steps have up to 50.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback
from trl.trainer.grpo_config import GRPOConfig

from proxmo.adapters.trl import ProxMOTrainer
from proxmo.cold_start.model import make_model
from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.envs.alfworld.env import AlfworldEnv
from proxmo.envs.alfworld.tasks import load_tasks

TASKS, GROUP = 16, 8


class Wandering(AlfworldEnv):
    """Does something admissible, whatever it is told."""

    def reset(self, **arguments: Any) -> Any:
        """As ALFWorld."""
        self._rng = random.Random(time.perf_counter_ns())
        text, info = super().reset(**arguments)
        self._admissible = info["admissible_actions"]
        return text, info

    def step(self, action: str) -> Any:
        """As ALFWorld, for an action of its own."""
        text, reward, terminated, truncated, info = super().step(self._rng.choice(self._admissible))
        self._admissible = info["admissible_actions"]
        return text, reward, terminated, truncated, info


class Timed(ProxMOTrainer):
    """Takes the time of credit and leaves it out of every other update."""

    seconds: float = 0.0
    steps: int = 0

    def _token_advantages(self, width: int) -> torch.Tensor:
        if self.state.global_step % 2:
            return torch.zeros(len(self._played), width)
        began = time.perf_counter()
        advantages = super()._token_advantages(width)
        self.seconds = time.perf_counter() - began
        self.steps = sum(len(played.steps) for played in self._played)
        return advantages


class Clock(TrainerCallback):
    """Seconds of each update, generation to optimizer."""

    def __init__(self) -> None:
        self.trainer: Timed | None = None
        self.rows: list[tuple[bool, float, float]] = []
        """Whether it was with credit, its seconds, and those of credit."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self.began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write down the update."""
        assert self.trainer is not None
        credited = state.global_step % 2 == 1  # counted up before this is called
        self.rows.append((credited, time.perf_counter() - self.began, self.trainer.seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--updates", type=int, default=4, help="an even number, half with credit")
    parser.add_argument("--turns", type=int, default=8)
    options = parser.parse_args()
    tasks = load_tasks("train", seed=0, count=64)
    texts = [AlfworldEnv().reset(options=tasks[i].options)[0] for i in range(64)]
    tokenizer = train_tokenizer(texts)
    model = make_model(tokenizer, seed=0)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        args = GRPOConfig(
            folder,
            use_cpu=True,
            per_device_train_batch_size=16,
            gradient_accumulation_steps=8,
            num_generations=GROUP,
            max_completion_length=4000,
            max_steps=options.updates,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            gradient_checkpointing=False,
        )
        trainer = Timed(
            model,
            args=args,
            environment=partial(Wandering, max_steps=options.turns),
            tasks=tasks,
            prompt_style="compact",
            max_response_tokens=8,
            processing_class=tokenizer,
            callbacks=[clock],
        )
        clock.trainer = trainer
        trainer.train()
    size = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"TRL on CPU, {size:.1f}M weights, {TASKS} x {GROUP} trajectories, {trainer.steps} steps")
    print(f"{'update':10}{'credit':>10}{'seconds':>12}{'of credit':>12}")
    for number, (credited, seconds, spent) in enumerate(clock.rows, start=1):
        name, part = ("proxmo", f"{spent:12.4f}") if credited else ("none", f"{'-':>12}")
        print(f"{number:<10}{name:>10}{seconds:12.2f}{part}")
    shares = [spent / seconds for credited, seconds, spent in clock.rows if credited]
    whole = [np.median([s for c, s, _ in clock.rows if c == which]) for which in (True, False)]
    print(f"credit and its bookkeeping, of an update: {np.median(shares):.3%} (at most 0.5 %)")
    print(f"update with credit / update without:      {whole[0] / whole[1]:.3f}")


if __name__ == "__main__":
    main()
