"""A game that a model of random weights sometimes wins, and such a model."""

import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.envs.base import Task
from proxmo.envs.spec import EnvSpec
from proxmo.policies.transformers import PromptSettings, TransformersPolicy


class Parity:
    """Won when all that was said has an even length; `max_steps` turns."""

    def __init__(self, max_steps=3):
        self.left = max_steps

    def reset(self, *, seed=None, options=None):
        self.said = 0
        return "say something", {"admissible_actions": (), "goal": "", "task_type": "even"}

    def step(self, action):
        self.left -= 1
        self.said += len(action)
        over, even = self.left == 0, self.said % 2 == 0
        info = {"admissible_actions": (), "success": over and even}
        return "even" if even else "odd", 10.0 * (over and even), over, False, info

    def close(self):
        pass

    def fork(self):
        other = Parity(self.left)
        other.said = self.said
        return other


class Hopeless(Parity):
    """Never won."""

    def step(self, action):
        observation, _, over, cut, info = super().step(action)
        return observation, 0.0, over, cut, info | {"success": False}

    def fork(self):
        other = Hopeless(self.left)
        other.said = self.said
        return other


class Slow(Parity):
    """Takes its time."""

    def reset(self, *, seed=None, options=None):
        time.sleep(0.2)
        return super().reset()


def load_tasks(split, path, seed, count):
    return [Task(f"{split} {number}", "even") for number in range(count or 4)]


SPEC = EnvSpec("parity", env="parity:Parity", tasks="parity:load_tasks", max_steps=3)
SLOW = EnvSpec("slow", env="parity:Slow", tasks="parity:load_tasks", max_steps=3)
HOPELESS = EnvSpec("hopeless", env="parity:Hopeless", tasks="parity:load_tasks", max_steps=3)


def save_model(folder):
    """Weights that nobody trained, in a folder."""
    tokenizer = train_tokenizer(["say something", "even", "odd"] * 20, vocabulary=300)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
        )
    ).eval()
    settings = PromptSettings(
        context="conversation", style="compact", max_prompt_tokens=256, max_response_tokens=4
    )
    TransformersPolicy(model, tokenizer, settings).save(folder)
