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
        return f"room {self.number}0: say {self.colour}", self._info(True)

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
    """Of split "broken" no environment starts, of "breaking" each breaks at its second step."""
    how = {"broken": split == "broken", "breaks": 2 if split == "breaking" else 0}
    return [Task(f"colours-{split}-{i}", "say", {"number": i, **how}) for i in range(count or 4)]


TOY = EnvSpec("colours", env="toy_env:ToyEnv", tasks="toy_env:load_toy_tasks")


def register_toy():
    if "colours" not in registry.names():
        registry.register(TOY)


class Script:
    """A policy that says the same things to the same prompts, in whatever order they come."""

    def __init__(self, actions):
        self.actions, self.asked = list(actions), Counter()

    def say(self, prompt):
        self.asked[prompt] += 1
        turn = zlib.crc32(prompt.encode()) + self.asked[prompt]
        return self.actions[turn % len(self.actions)]
