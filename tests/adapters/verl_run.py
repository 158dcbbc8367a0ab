"""The real verl on CPU: its configuration, agent loop worker, TransferQueue and trainer.

The language model is a script; its servers and the training workers need GPUs and are left out.
"""

import asyncio
import uuid
from pathlib import Path

import numpy as np
import transfer_queue as tq
from hydra import compose, initialize_config_dir
from tensordict import NonTensorData
from toy_env import Script
from verl.trainer import ppo
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopWorkerTQ
from verl.trainer.ppo.v1.trainer_base import get_trainer_cls
from verl.utils import tensordict_utils as tu
from verl.workers.rollout.replica import TokenOutput

CONFIG = Path(ppo.__file__).parents[1] / "config"


def verl_config(*overrides):
    with initialize_config_dir(str(CONFIG), version_base=None):
        return compose("ppo_trainer", overrides=list(overrides))


def cpu_overrides(model, *more):
    return [
        f"actor_rollout_ref.model.path={model}",
        "actor_rollout_ref.rollout.name=vllm",
        "actor_rollout_ref.rollout.n=4",
        "actor_rollout_ref.actor.ppo_mini_batch_size=2",
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=1",
        "data.train_batch_size=2",
        "data.max_prompt_length=512",
        "data.max_response_length=16",
        "algorithm.adv_estimator=proxmo",
        "trainer.v1.trainer_mode=proxmo_sync",
        "transfer_queue.backend.SimpleStorage.num_data_storage_units=1",
        *more,
    ]


class ScriptedServer:
    """Stands for verl's LLM servers."""

    def __init__(self, tokenizer, actions):
        self.tokenizer, self.script = tokenizer, Script(actions)

    async def generate(self, request_id, *, prompt_ids, sampling_params, **_):
        await asyncio.sleep(0)
        ids = self.tokenizer(self.script.say(self.tokenizer.decode(prompt_ids)))["input_ids"]
        ids = [*ids, self.tokenizer.eos_token_id][: sampling_params["max_tokens"]]
        return TokenOutput(
            token_ids=ids,
            log_probs=[-0.5] * len(ids),
            extra_fields={"min_global_steps": 0, "max_global_steps": 0},
        )


def play(config, actions, rows, *, n=None):
    """Play rows of data through verl's own agent loop worker, into the TransferQueue."""
    worker_class = AgentLoopWorkerTQ.__ray_metadata__.modified_class

    async def generate():
        worker = worker_class(config, llm_client=None)
        worker.llm_client = ScriptedServer(worker.tokenizer, actions)
        columns = {name: np.array([row[name] for row in rows], object) for name in rows[0]}
        columns["uid"] = np.array([str(uuid.uuid4()) for _ in rows], object)
        columns["raw_prompt"] = columns.pop("prompt")
        columns["index"] = np.arange(len(rows))
        batch = tu.get_tensordict(columns)
        tu.assign_non_tensor_data(batch, "global_steps", 1)
        if n is not None:
            batch["__rollout_n__"] = NonTensorData(n)
        tags = [{"is_prompt": True, "status": "pending", "global_steps": 1} for _ in rows]
        tq.kv_batch_put(keys=list(columns["uid"]), partition_id="train", tags=tags)
        await worker.generate_sequences(batch)
        await asyncio.gather(*worker.background_tasks)
        return worker

    return asyncio.run(generate())


class OneRank:
    """Stands for the training workers: all rows go to one."""

    _dispatch_info = {"actor": [0]}  # noqa: RUF012 (verl's name and form)


def trainer_of(config, tokenizer):
    trainer = get_trainer_cls(config.trainer.v1.trainer_mode)(config)
    trainer.tokenizer, trainer.actor_rollout_wg, trainer.global_steps = tokenizer, OneRank(), 1
    trainer.replay_buffer.poll_interval = 0.05
    return trainer


def sample(trainer, groups):
    batch, _ = trainer.replay_buffer.sample(global_steps=1, partition_id="train", batch_size=groups)
    return batch


def credit(trainer, batch):
    """The trainer's own step, after the policy's log-probabilities, which need a GPU elsewhere."""
    logprobs = tq.kv_batch_get(
        keys=batch.keys, partition_id=batch.partition_id, select_fields=["rollout_log_probs"]
    )
    logprobs["old_log_probs"] = logprobs.pop("rollout_log_probs")
    tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=logprobs)
    metrics = {}
    trainer._compute_advantage(batch, metrics)
    return metrics
