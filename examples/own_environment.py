"""An environment of one's own: a model is made from nothing and trained on it with ProxMO.

    uv run python examples/own_environment.py

The agent hears in which room the cat is, and may look into two rooms. What proxmo needs: a
class in Gymnasium's shape, a function that lists tasks, and, because the model is made from
nothing, an expert to imitate. This one seldom listens; that listening pays is left for
reinforcement to find. Two updates show all parts at work in seconds; learning takes more.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from proxmo.config import (
    EnvConfig,
    OptimConfig,
    PolicyConfig,
    RolloutConfig,
    RunConfig,
    SftConfig,
    TrainConfig,
)
from proxmo.envs import registry
from proxmo.envs.base import Info, Task
from proxmo.evaluation.evaluate import evaluate
from proxmo.policies.transformers import TransformersPolicy
from proxmo.training.session import Reporter
from proxmo.training.sft import cold_start
from proxmo.training.trainer import train

UPDATES = 2
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
            "admissible_actions": list(ROOMS),
            "success": success,
            "valid": valid,
            "task_type": "find",
        }


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


def load_tasks(split: str, path: str | None, seed: int, count: int | None) -> list[Task]:
    """`count` tasks, each room as often as any other."""
    cats = [ROOMS[number % len(ROOMS)] for number in range(count or 1000)]
    return [Task(f"{split}-{number}", "find", {"cat": cat}) for number, cat in enumerate(cats)]


class Printer(Reporter):
    """Prints each update."""

    def updated(self, update: int, metrics: dict[str, float]) -> None:
        """One line about the update."""
        print(f"update {update}: success {metrics['rollout/success_rate']:.0%} while learning")


def measure(spec: registry.EnvSpec, policy: TransformersPolicy) -> dict[str, Any]:
    """Success over tasks that training does not see; the trainer records it."""
    tasks = load_tasks("valid", None, seed=0, count=100)
    return evaluate(policy, spec.make, tasks, seed=1).to_dict()


def main() -> None:
    spec = registry.EnvSpec(
        "cat",
        env=f"{__name__}:CatEnv",
        tasks=f"{__name__}:load_tasks",
        expert=f"{__name__}:CarelessExpert",
        max_steps=2,
    )
    registry.register(spec)
    with tempfile.TemporaryDirectory() as folder:
        # Demonstrations that fail are left out: with ten rooms to look into, few do.
        imitation = SftConfig(demonstrations=300, vocabulary=300, batch_tokens=256)
        start = cold_start(spec, None, imitation, max_steps=10, folder=Path(folder, "start"))
        config = TrainConfig(
            env=EnvConfig(name="cat"),
            policy=PolicyConfig(model=str(start)),
            rollout=RolloutConfig(tasks=8, group_size=8),
            optim=OptimConfig(updates=UPDATES),
            run=RunConfig(out=str(Path(folder, "run")), eval_every=0, checkpoint_every=100),
        )
        result = train(config, evaluate=partial(measure, spec), reporter=Printer())
    for line in result.evaluations:
        print(f"after {line['update']} updates: {line['overall']['success']:.1%} of unseen tasks")


if __name__ == "__main__":
    main()
