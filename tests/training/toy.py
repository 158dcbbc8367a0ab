"""A toy environment, a tiny model and a small run, for tests and the processes they start."""

import os
import signal
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from proxmo.cold_start.demonstrations import DemonstratedTurn as Turn
from proxmo.cold_start.fit import fine_tune
from proxmo.cold_start.lessons import lessons_of
from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.config import RUN_FILE, SftConfig, TrainConfig, parse_config
from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.envs.spec import EnvSpec
from proxmo.evaluation.evaluate import evaluate
from proxmo.policies.transformers import PromptSettings, TransformersPolicy
from proxmo.training.loop import train
from proxmo.training.reporter import Reporter
from proxmo.types import Context

WORDS = ("red", "green", "blue")


class ToyEnv:
    """Say the colour that the task asks for; two tries."""

    reward = 10.0

    def __init__(self, max_steps=2, **_):
        self.max_steps = max_steps

    def reset(self, *, seed=None, options=None):
        options = options or {}
        if options.get("broken"):
            raise OSError("no such room")
        self.colour, self.steps = options["colour"], 0
        return f"say {self.colour}", self._info(False, True)

    def step(self, action):
        self.steps += 1
        said = action == self.colour
        over = self.steps >= self.max_steps
        return (
            "again",
            self.reward * said,
            said,
            over and not said,
            self._info(said, action in WORDS),
        )

    def _info(self, success, valid):
        return {"admissible_actions": list(WORDS), "success": success, "valid": valid, "goal": ""}

    def close(self):
        pass


class ToyTasks:
    """Task i asks for colour i mod 3, or all for the first; if broken, every third fails."""

    def __init__(self, count, broken=False, colours=3):
        self.count, self.broken, self.colours = count, broken, colours

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        broken = self.broken and index % 3 == 0
        return Task(
            f"toy-{index}", "say", {"colour": WORDS[index % self.colours], "broken": broken}
        )


def load_toy_tasks(split, path, seed, count):
    return ToyTasks(count or 12, broken=split == "broken", colours=1 if split == "red" else 3)


def register():
    if "toy" not in registry.names():
        registry.register(
            EnvSpec("toy", f"{__name__}:ToyEnv", f"{__name__}:load_toy_tasks", max_steps=2)
        )


def save_tiny_model(folder: Path, context: Context = "conversation") -> None:
    """A model that says colours, without regard to which one it is asked for."""
    tokenizer = train_tokenizer([f"say {word} again" for word in WORDS] * 9, vocabulary=280)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            tie_word_embeddings=True,
        )
    )
    settings = PromptSettings(context, "compact", max_prompt_tokens=64, max_response_tokens=3)
    policy = TransformersPolicy(model, tokenizer, settings)
    said = [
        [Turn("", f"say {asked}", first), Turn("", "again", second)]
        for asked in WORDS
        for first in WORDS
        for second in WORDS
    ]
    fine_tune(model, lessons_of(policy, said * 100, 0.0), SftConfig(batch_tokens=128))
    policy.save(folder)


def toy_config(model: Path, out: Path, **sections) -> TrainConfig:
    """A small run; keyword arguments are sections, such as `optim={"updates": 3}`."""
    settings = {
        "env": {"name": "toy"},
        "policy": {"model": str(model)},
        "rollout": {"tasks": 4, "group_size": 4},
        "optim": {"updates": 4, "learning_rate": 3e-3, "micro_batch_tokens": 200},
        "run": {"out": str(out), "eval_every": 2, "eval_tasks": 6},
    }
    for section, table in sections.items():
        settings[section] = {**settings.get(section, {}), **table}
    register()
    return parse_config(settings, where="toy")


def evaluate_toy(policy):
    tasks = [ToyTasks(6)[number] for number in range(6)]
    return evaluate(policy, lambda: ToyEnv(), tasks, seed=1).to_dict()


class Slayer(Reporter):
    """Kills the process, as `kill -9` does, when training reaches a certain moment."""

    def __init__(self, moment: str, update: int):
        self.moment, self.update = moment, update

    def _reached(self, moment, update):
        if (moment, update) == (self.moment, self.update):
            os.kill(os.getpid(), signal.SIGKILL)

    def rollout(self, update, progress):
        self._reached("rollout", update)

    def optimizing(self, update, done, total):
        self._reached("optimizing", update)

    def updated(self, update, metrics):
        self._reached("updated", update)

    def evaluated(self, update, evaluation):
        self._reached("evaluated", update)


def run_until_killed(config: TrainConfig, moment: str, update: int) -> None:
    """Train in this process, which dies at that moment."""
    torch.set_num_threads(1)
    register()
    train(config, evaluate=evaluate_toy, reporter=Slayer(moment, update))


def begin_or_go_on(config: TrainConfig) -> None:
    """What a user does with a run that died: resume it where there is one, else begin anew."""
    torch.set_num_threads(1)
    register()
    out = Path(config.run.out or "")
    run = out if (out / RUN_FILE).is_file() else None
    train(config, resume=run, evaluate=evaluate_toy)
