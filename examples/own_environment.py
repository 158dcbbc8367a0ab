"""An environment of one's own: where is the cat?

In this folder:

    uv run proxmo sft --env own_environment:SPEC --sft.demonstrations 300 --sft.vocabulary 300 \
        --sft.batch-tokens 256 --max-steps 10 --out start
    uv run proxmo train --env own_environment:SPEC --model start --rollout.tasks 8 --updates 2

The agent hears in which room the cat is, and may look into two rooms. What proxmo needs: a
class in Gymnasium's shape, a function that lists tasks, and, if a model is to be made from
nothing, an expert to imitate. This one seldom listens; that listening pays is left for
reinforcement to find.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from proxmo.envs.base import Info, Task
from proxmo.envs.spec import EnvSpec

SPEC = EnvSpec(
    "cat",
    env="own_environment:CatEnv",
    tasks="own_environment:load_tasks",
    expert="own_environment:CarelessExpert",
    max_steps=2,
)

ROOMS = ("attic", "cellar", "garden", "kitchen")


class CatEnv:
    """The cat is in one room; look there to win."""

    def __init__(self, max_steps: int) -> None:
        self.max_steps = max_steps
        self.cat, self.steps = "", 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, Info]:
        """Start the task that `options` describes."""
        self.cat, self.steps = (options or {})["cat"], 0
        return self._heard(), self._info(success=False, valid=True)

    def step(self, action: str) -> tuple[str, float, bool, bool, Info]:
        """Observation, reward, terminated, truncated, info."""
        self.steps += 1
        success = action == self.cat
        answer = "found" if success else f"no cat here, {self._heard()}"
        truncated = not success and self.steps >= self.max_steps
        info = self._info(success, valid=action in ROOMS)
        return answer, 10.0 * success, success, truncated, info

    def close(self) -> None:
        """Nothing is held."""

    def _heard(self) -> str:
        return f"a cat in the {self.cat}"

    def _info(self, success: bool, valid: bool) -> Info:
        return {
            "goal": "find the cat",
            "admissible_actions": list(ROOMS),
            "success": success,
            "valid": valid,
            "task_type": "find",
        }


def load_tasks(split: str, path: str | None, seed: int, count: int | None) -> list[Task]:
    """`count` tasks, each room as often as any other."""
    cats = [ROOMS[number % len(ROOMS)] for number in range(count or 1000)]
    return [Task(f"{split}-{number}", "find", {"cat": cat}) for number, cat in enumerate(cats)]


class CarelessExpert:
    """Listens one time in four, else looks anywhere."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def reset(self, observation: str) -> None:
        """Start an episode: nothing to remember."""

    def act(self, observation: str, admissible_actions: Sequence[str]) -> str:
        """The next room."""
        heard = observation.rpartition(" ")[2]
        return heard if self.rng.random() < 0.25 else self.rng.choice(admissible_actions)
