"""What credit adds to verl's `_compute_advantage`, against verl's own GRPO in the same run.

    uv sync --no-default-groups --extra verl && python benchmarks/adapters_verl.py

Real Ray, real TransferQueue, verl's own trainer classes; rows as an update of the papers makes
them: 16 tasks x 8 episodes of up to 50 turns, responses of up to 128 tokens. No GPU and no
model: what is timed is fetching the columns, crediting and storing the advantages.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
import transfer_queue as tq
from hydra import compose, initialize_config_dir
from transfer_queue import KVBatchMeta
from verl.trainer import ppo
from verl.trainer.ppo.v1.trainer_base import get_trainer_cls
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

from proxmo.adapters.columns import COLUMN, row_column
from proxmo.adapters.tasks import make_env, place_tasks
from proxmo.episodes.play import rollout
from proxmo.policies.scripted import ScriptedPolicy
from proxmo.prompts import Prompter


def config_for(*overrides: str) -> Any:
    folder = Path(ppo.__file__).parents[1] / "config"
    common = [
        "actor_rollout_ref.rollout.name=vllm",
        "actor_rollout_ref.rollout.n=8",
        "algorithm.rollout_correction.bypass_mode=True",
        "data.train_batch_size=16",
        "transfer_queue.enable=True",
        "transfer_queue.backend.SimpleStorage.num_data_storage_units=1",
    ]
    with initialize_config_dir(str(folder), version_base=None):
        return compose("ppo_trainer", overrides=[*common, *overrides])


def play(tasks: int, members: int, seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Rows, each with its key, of episodes that random admissible actions make."""
    rng = np.random.default_rng(seed)

    def act(row: int, turn: int, prompt: str) -> str:
        listed = re.findall(r"'([^']*)'", prompt.rpartition("Admissible actions:")[2])
        return f"<think>so</think><action>{rng.choice(listed)}</action>"

    trajectories = rollout(
        ScriptedPolicy(act, context="window", prompter=Prompter(style="think")),
        lambda: make_env("alfworld", None, {}),
        [task for task, _ in place_tasks("alfworld", "train", count=tasks)],
        group_size=members,
        seed=seed,
    )
    groups = {trajectory.group: str(uuid.uuid4()) for trajectory in trajectories}
    rows = []
    for number, trajectory in enumerate(trajectories):
        uid = groups[trajectory.group]
        for turn, step in enumerate(trajectory.steps):
            length = int(rng.integers(16, 129))
            rewards = torch.zeros(length)
            rewards[-1] = trajectory.reward
            row = {
                "uid": uid,
                "response_mask": torch.ones(length, dtype=torch.int64),
                "rm_scores": rewards,
                "rollout_log_probs": torch.full((length,), -0.5),
                "old_log_probs": torch.full((length,), -0.5),
                "ref_log_prob": torch.full((length,), -0.5),
                "extra_fields": {COLUMN: row_column(step, trajectory.success)},
            }
            rows.append((f"{uid}_{number % members}_{turn}", row))
    return rows


def stored(rows: list[tuple[str, dict[str, Any]]]) -> KVBatchMeta:
    """The rows in the TransferQueue, shuffled as verl's balancing does."""
    order = np.random.default_rng(0).permutation(len(rows))
    keys = [rows[row][0] for row in order]
    tags: list[dict[str, Any]] = [{"status": "success"} for _ in keys]
    fields = list_of_dict_to_tensordict([rows[row][1] for row in order])
    tq.kv_batch_put(keys=keys, partition_id="train", fields=fields, tags=tags)
    return KVBatchMeta(partition_id="train", keys=keys, tags=tags)


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of credit in a step of verl.")
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    ray.init(num_cpus=16, include_dashboard=False, log_to_driver=False)
    plain = config_for("algorithm.adv_estimator=grpo")
    tq.init(plain.transfer_queue)
    rows = play(options.tasks, options.members, seed=0)
    batch = stored(rows)
    trainers = {
        "verl grpo": get_trainer_cls("sync")(plain),
        "proxmo": get_trainer_cls("proxmo_sync")(
            config_for("algorithm.adv_estimator=proxmo", "trainer.v1.trainer_mode=proxmo_sync")
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for _ in range(options.repeats + 1):
        # Turn about, so that other work on the machine meets both.
        for name, trainer in trainers.items():
            began = time.perf_counter()
            trainer._compute_advantage(batch, {})
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(taken[1:]) for name, taken in seconds.items()}  # warm
    print(f"{len(rows)} rows of {options.tasks} x {options.members} episodes\n")
    print(f"{'_compute_advantage':<20}{'seconds':>10}{'ratio':>8}")
    for name, median in medians.items():
        print(f"{name:<20}{median:>10.3f}{median / medians['verl grpo']:>8.2f}")
    added = medians["proxmo"] - medians["verl grpo"]
    print(f"\nadded by credit: {added:.3f} s an update")
    tq.close()
    ray.shutdown()


if __name__ == "__main__":
    main()
