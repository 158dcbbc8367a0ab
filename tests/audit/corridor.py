"""A corridor with a door at its end, which opens for who has taken the key: worth in closed form.

At the start the agent takes the key or walks on, half and half; in the corridor it walks with
probability q, or waits. What it holds is not in what it sees: a key is seen when it is taken, and
when the door opens.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from proxmo.envs.base import Task
from proxmo.policies.base import Response
from proxmo.prompts import Prompter
from proxmo.types import Context

LENGTH = 4
REWARD = 10.0
GAMMA = 0.95
TASKS = [Task(f"corridor {n}", "corridor") for n in range(6)]


class Corridor:
    """The environment; `max_steps` is far beyond what the policy needs."""

    def __init__(self, max_steps=400):
        self.left = max_steps

    def reset(self, *, seed=None, options=None) -> tuple[str, Any]:
        self.place, self.key = 0, False
        return "start", self._info(False)

    def step(self, action):
        self.left -= 1
        told = f"place {self.place}"
        if action == "take":
            self.key, told = True, "start, with a key"
        elif action == "walk":
            self.place += 1
            told = f"place {self.place}"
        over = action == "open"
        won = over and self.key
        cut = not over and self.left == 0
        return told, REWARD * won, over, cut, self._info(won)

    def close(self):
        pass

    def _info(self, won):
        return {"admissible_actions": ("take", "walk", "wait", "open"), "success": won}


class CopiedCorridor(Corridor):
    """The same, which can be copied."""

    def fork(self):
        other = CopiedCorridor(self.left)
        other.place, other.key = self.place, self.key
        return other


class FickleCorridor(Corridor):
    """Numbers its starts, so that no episode is the same twice."""

    starts = 0

    def reset(self, *, seed=None, options=None):
        FickleCorridor.starts += 1
        return f"start {FickleCorridor.starts}", super().reset()[1]


@dataclass
class Walker:
    """The policy. In a window it walks with q = 0.8; in a conversation it remembers whether it
    took the key, and then hurries: 0.8 with it, 0.4 without."""

    context: Context
    prompter = Prompter("compact", 0)

    def open(self, rngs, *, temperature, greedy):
        return _Walks(self, rngs, [False] * len(rngs))

    def resume(self, pasts, rngs, *, temperature, greedy):
        return _Walks(self, rngs, [any(s.response == "take" for s in past) for past in pasts])

    def pace(self, key):
        return 0.8 if key or self.context == "window" else 0.4


class _Walks:
    def __init__(self, walker, rngs, keys):
        self.walker, self.rngs, self.keys = walker, rngs, keys

    def respond(self, rows, prompts):
        return [
            Response(self._says(row, prompt)) for row, prompt in zip(rows, prompts, strict=True)
        ]

    def _says(self, row, prompt):
        draw = self.rngs[row].random()
        if f"place {LENGTH}" in prompt:
            return "open"
        if "with a key" in prompt:
            return "walk"
        if "start" in prompt:
            self.keys[row] = draw < 0.5
            return "take" if draw < 0.5 else "walk"
        return "walk" if draw < self.walker.pace(self.keys[row]) else "wait"


def worth(walker: Walker, observation: str, key: bool) -> float:
    """V* before a step at `observation`, in closed form."""
    if not key:
        return (
            0.5 * GAMMA * worth(walker, "start, with a key", True)
            if observation == "start"
            else 0.0
        )
    if observation == "start, with a key":
        return GAMMA * worth(walker, "place 1", True)
    place = int(observation.rpartition(" ")[2])
    q = walker.pace(True)
    onward = GAMMA * q / (1 - GAMMA * (1 - q))  # discount of leaving a place, on average
    return onward ** (LENGTH - place) * REWARD


def true_advantages(walker, record):
    """A* of every audited step of a record, in the order of the truth."""
    for run in record.sampled:
        if run.trajectory not in record.audited:
            continue
        rows = range(run.first, run.end)
        seen = [record.observation[row] for row in rows]
        keys = np.cumsum([record.action[row] == "take" for row in rows]) > 0
        before = [
            worth(walker, text, key) for text, key in zip(seen, [False, *keys[:-1]], strict=True)
        ]
        after = [*before[1:], 0.0]
        for row, v, w in zip(rows, before, after, strict=True):
            yield record.reward[row] + GAMMA * w - v
