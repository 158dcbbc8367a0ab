"""Seeded, unlimited ALFWorld games in the official format.

A game is made goal first: draw a task as often as the official games set it, furnish a
room of that kind so that the task can be done there, scatter objects where such objects
usually are, and write down the plan that solves it. The plan is the proof: it is computed
from the layout, and each of its commands is admissible when its turn comes.

Game `i` of `(split, seed)` depends on these three (and on the task types allowed) alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from proxmo.envs.alfworld.games.game import TASK_TYPES, Game, Source
from proxmo.envs.alfworld.games.paths import SPLITS
from proxmo.envs.alfworld.generator.goal import draw_goal
from proxmo.envs.alfworld.generator.layout import RoomLayout, furnish
from proxmo.envs.alfworld.generator.plan import solve
from proxmo.envs.alfworld.generator.problem import write_problem
from proxmo.errors import InputError

SCENE_NUMBERS = {"kitchen": 1000, "livingroom": 1200, "bedroom": 1300, "bathroom": 1400}
"""First scene number of each kind of room: the official ones (0, 200, 300, 400) plus 1000."""


class GeneratedGame(Game):
    """A game made from a few random draws; its room is furnished when it is first read.

    Attributes:
        goal: What it asks for.
        seed: Of the stream it belongs to.
    """

    __slots__ = ("_stream", "goal", "seed")

    def __init__(self, split: str, seed: int, index: int, allowed: tuple[str, ...]):
        everything = allowed == TASK_TYPES
        restriction = "" if everything else "+".join(allowed)
        # A string is hashed with SHA-512: the same draws on every machine and Python.
        self._stream = f"alfworld/{split}/{seed}/{index}/{restriction}"
        self.seed = seed
        self.goal = goal = draw_goal(self._rng("goal"), allowed)
        scene = SCENE_NUMBERS[goal.room] + index % 100
        task = f"{goal.task_type}-{goal.thing}-None-{goal.place}-{scene}"
        chosen = "" if everything else "_of_" + "".join(str(TASK_TYPES.index(t)) for t in allowed)
        trial = f"trial_G{seed}{chosen}_{index:06d}"
        super().__init__(f"{split}/{task}/{trial}", goal.task_type, split, self._write)

    def _rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self._stream}/{purpose}")

    def _write(self) -> Source:
        layout = self.layout
        return Source(
            domain=_resource("domain.pddl"),
            problem=write_problem(layout, self.game_id.rsplit("/", 1)[-1]),
            grammar=_resource("grammar.twl2").replace("UNKNOWN GOAL", self.goal.sentence),
            walkthrough=tuple(solve(layout)),
        )

    @property
    def layout(self) -> RoomLayout:
        """The furnished room, drawn anew (and alike) each time it is asked for."""
        return furnish(self._rng("room"), self.goal)

    def traj_data(self) -> dict[str, Any]:
        """The content of `traj_data.json`."""
        goal = self.goal
        _, task, trial = self.game_id.split("/")
        scene = int(task.rsplit("-", 1)[-1])
        return {
            "task_id": trial,
            "task_type": goal.task_type,
            "pddl_params": {
                "mrecep_target": "",
                "object_sliced": False,
                "object_target": goal.thing,
                "parent_target": "" if goal.under_lamp else goal.place,
                "toggle_target": goal.place if goal.under_lamp else "",
            },
            "scene": {
                "floor_plan": f"FloorPlan{scene}",
                "scene_num": scene,
                "random_seed": self.seed,
            },
            "turk_annotations": {"anns": [{"task_desc": goal.sentence, "high_descs": []}]},
        }


def generate_games(
    seed: int, count: int, task_types: Sequence[str] | None = None, split: str = "train"
) -> list[GeneratedGame]:
    """The first `count` games of a stream.

    Streams of different `split` or `seed` have no draws in common. `task_types` restricts
    the tasks (those left keep their official shares); it is part of the stream's name, so
    that `generate_games(0, 10)` and `generate_games(0, 10, ["pick_two_obj_and_place"])` differ.

    Raises `InputError` for an unknown task type, no task type, a negative count, or a
    split that ALFWorld does not have.
    """
    allowed = _allowed(task_types)
    if count < 0:
        raise InputError(f"count must be >= 0, got {count}")
    if split not in SPLITS:
        raise InputError(f"split {split!r} is none of ALFWorld's: {', '.join(SPLITS)}")
    return [GeneratedGame(split, seed, index, allowed) for index in range(count)]


def write_games(games: Iterable[GeneratedGame], folder: str | Path) -> list[Path]:
    """Write games in the official layout, `folder/<split>/<task>/<trial>/game.tw-pddl`.

    Returns the paths of the game files; `traj_data.json` lies beside each.
    """
    paths = []
    for game in games:
        trial = Path(folder) / game.game_id
        trial.mkdir(parents=True, exist_ok=True)
        (trial / "traj_data.json").write_text(json.dumps(game.traj_data()), encoding="utf-8")
        path = trial / "game.tw-pddl"
        path.write_text(game.to_json(), encoding="utf-8")
        paths.append(path)
    return paths


def _allowed(task_types: Sequence[str] | None) -> tuple[str, ...]:
    """The task types asked for, in the official order, or a reason to refuse them."""
    if task_types is None:
        return TASK_TYPES
    chosen = {task_types} if isinstance(task_types, str) else set(task_types)
    if not chosen or chosen - set(TASK_TYPES):
        wrong = ", ".join(sorted(map(repr, chosen - set(TASK_TYPES)))) or "none"
        raise InputError(f"task types: {wrong}; choose some of {', '.join(TASK_TYPES)}")
    return tuple(task for task in TASK_TYPES if task in chosen)


@cache
def _resource(name: str) -> str:
    return (
        resources.files("proxmo.envs.alfworld.generator").joinpath(name).read_text(encoding="utf-8")
    )
