"""A tiny model and small runs of TRL's trainer on generated ALFWorld games."""

import string
from functools import partial
from typing import Any

import gymnasium
import torch
from gymnasium.spaces import Text
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl.trainer.grpo_config import GRPOConfig

from proxmo.adapters.trl import ProxMOTrainer
from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.envs.alfworld.env import AlfworldEnv
from proxmo.envs.alfworld.tasks import load_tasks

TURNS = 3
GROUP = 4
LOSSES = ("dapo", "grpo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo")
"""Every `loss_type` of TRL; a test reads in its source that there is no other."""


def tasks(count=4, seed=0):
    return load_tasks("train", seed=seed, count=count)


def tokenizer():
    texts = [
        "You are in the middle of a room. Looking quickly around you, you see a cabinet 1.",
        "go to cabinet 1 > You arrive at cabinet 1. On the cabinet 1, you see a mug 1.",
        "Your task is to: put a clean mug in coffeemachine. Nothing happens.",
    ]
    return train_tokenizer(texts, vocabulary=320)


def model(of):
    torch.manual_seed(0)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(of),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=of.eos_token_id,
            pad_token_id=of.pad_token_id,
        )
    )


def settings(folder, **options):
    usual = {
        "output_dir": str(folder),
        "use_cpu": True,
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 4,
        "num_generations": GROUP,
        "max_completion_length": 400,
        "learning_rate": 1e-2,
        "max_steps": 2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "gradient_checkpointing": False,
        "seed": 1,
    }
    return GRPOConfig(**{**usual, **options})


class Watched(ProxMOTrainer):
    """Keeps what reaches the loss and what was played, for a test to look at."""

    def __init__(self, *args, **options):
        self.batches, self.seen = [], []
        super().__init__(*args, **options)

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        self.batches.append((self._played, self._conversations, output, self._rewards))
        return output

    def _compute_loss(self, model, inputs):
        self.seen.append((model.training, inputs))
        return super()._compute_loss(model, inputs)


def trainer(folder, kind: Any = Watched, *, credit="proxmo", options=None, **arguments) -> Any:
    reader = tokenizer()
    usual = {
        "environment": "alfworld",
        "tasks": tasks(),
        "max_turns": TURNS,
        "prompt_style": "compact",
        "max_response_tokens": 5,
        "processing_class": reader,
    }
    args = settings(folder, **(options or {}))
    return kind(model(reader), args=args, credit=credit, **{**usual, **arguments})


class Paying(AlfworldEnv):
    """ALFWorld that pays for every action, by its length: an untrained model solves nothing.

    An action of even length that ends the episode is a success.
    """

    def step(self, action):
        """As ALFWorld, but for reward, success and validity."""
        observation, _, terminated, truncated, info = super().step(action)
        reward = len(action) % 5 + 0.25
        info = {**info, "success": truncated and len(action) % 2 == 0, "valid": reward > 1}
        return observation, reward, terminated, truncated, info


PLAYED = {"environment": partial(Paying, max_steps=TURNS), "max_turns": None}
"""Arguments of `trainer` for games whose rewards differ."""


def brevity(completion_ids, **_):
    """A reward function of TRL: short conversations earn more."""
    return [1.0 / len(ids) for ids in completion_ids]


class Echo(gymnasium.Env[str, str]):
    """Gymnasium's own base class and spaces; pays for the share of a letter in what is said."""

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's name and form)
    observation_space = Text(1000, min_length=0, charset=string.printable)
    action_space = Text(1000, min_length=0, charset=string.printable)

    def reset(self, *, seed=None, options=None):
        """Say which letter is wanted."""
        super().reset(seed=seed)
        self.letter, self.steps = (options or {}).get("letter", "a"), 0
        return f"say {self.letter} now", self._info(False)

    def step(self, action):
        """Pay, and end after the last turn."""
        self.steps += 1
        reward = len(action) % 5 + action.count(self.letter)
        told = f"turn {self.steps} say {self.letter}"
        return told, float(reward), False, self.steps == TURNS, self._info(reward > 3)

    def _info(self, success):
        return {
            "admissible_actions": [],
            "success": success,
            "valid": True,
            "task_type": "say",
            "goal": f"say {self.letter}",
        }
