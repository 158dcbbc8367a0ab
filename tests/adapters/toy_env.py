"""An environment small enough to follow by hand: say the colour that the seed draws."""

import zlib
from collections import Counter

import numpy as np

from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.envs.spec import EnvSpec

COLOURS = ("red", "green", "blue")


class ToyEnv:
    """Say the colour; a wrong word changes nothing but the text."""

    def __init__(self, max_steps=3, **_):
        self.max_steps = max_steps

    def reset(self, *, seed=None, options=None):
        self.options = options or {}
        if self.options.get("broken"):
            raise OSError("no such room")
        self.colour = str(np.random.default_rng(seed).choice(COLOURS))
        self.number, self.won, self.steps = (options or {})["number"], False, 0
        mark = self.options.get("mark") or ""
        return f"room {self.number}0: say {self.colour}{mark}", self._info(True)

    def step(self, action):
        self.steps += 1
        if self.steps == (self.options.get("breaks") or 0):
            raise OSError("the room fell down \x1b[2J")
        self.won = action == self.colour
        over = self.steps >= self.max_steps and not self.won
        text = f"{action}? say {self.colour}, not that"
        return text, 10.0 * self.won, self.won, over, self._info(action in COLOURS)

    def _info(self, valid):
        return {
            "admissible_actions": list(COLOURS),
            "success": self.won,
            "valid": valid,
            "task_type": "say",
            "goal": "say it",
        }

    def close(self):
        pass


def load_toy_tasks(split, path, seed, count):
    """Of split "broken" no environment starts, of "breaking" each breaks at its second step, and
    in "marked" the first text ends with what is a token that ends turns."""
    how = {
        "broken": split == "broken",
        "breaks": 2 if split == "breaking" else 0,
        "mark": "<eos>" if split == "marked" else "",
    }
    return [Task(f"colours-{split}-{i}", "say", {"number": i, **how}) for i in range(count or 4)]


class ToyCodec:
    """Writes texts in capitals, and breaks at "nonsense", at "green?" and at marks."""

    def shown(self, text, observation):
        if "<eos>" in text:
            raise LookupError("no such mark")
        if text.startswith("green?"):
            raise LookupError("no such colour")
        return text.upper()

    def said(self, action, observation):
        return action.upper()

    def meant(self, response, observation):
        if response == "nonsense":
            raise LookupError("no such word")
        return response.lower()


TOY = EnvSpec("colours", env="toy_env:ToyEnv", tasks="toy_env:load_toy_tasks")
SPELT = EnvSpec(
    "spelt", env="toy_env:ToyEnv", tasks="toy_env:load_toy_tasks", codec="toy_env:ToyCodec"
)


def register_toy():
    for spec in (TOY, SPELT):
        if spec.name not in registry.names():
            registry.register(spec)


class Script:
    """A policy that says the same things to the same prompts, in whatever order they come."""

    def __init__(self, actions):
        self.actions, self.asked = list(actions), Counter()

    def say(self, prompt):
        self.asked[prompt] += 1
        turn = zlib.crc32(prompt.encode()) + self.asked[prompt]
        return self.actions[turn % len(self.actions)]
