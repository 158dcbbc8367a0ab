"""Count what stands where in the official ALFWorld games: makes `rooms.toml`.

The generator's table (`src/proxmo/envs/alfworld/generator/rooms.toml`) is the output of

    python scripts/alfworld_room_statistics.py $ALFWORLD_DATA/json_2.1.1/train > rooms.toml

No scene is copied: the table holds how often things occur, per kind of room.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOMS = {0: "kitchen", 2: "livingroom", 3: "bedroom", 4: "bathroom"}
"""Kind of room by the hundreds of the scene's number (AI2-THOR's numbering)."""
PROPERTIES = {
    "pickupable": "pickupable",
    "isReceptacleObject": "container",
    "cleanable": "cleanable",
    "heatable": "heatable",
    "coolable": "coolable",
    "sliceable": "sliceable",
    "toggleable": "toggleable",
}
"""PDDL predicate -> key in the table."""
FLOOR = "floor"
"""The place of what is in or on no receptacle."""
LEAST_SHARE = 0.004
"""A place that holds less than this share of an object's instances is left out."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What one game's files say, with type names shortened ("AppleType" -> "Apple")."""

    number: int
    task_type: str
    object_target: str
    place_target: str
    facts: list[tuple[str, ...]]

    @property
    def room(self) -> str:
        """The kind of room."""
        return ROOMS[self.number // 100]

    def types(self, predicate: str) -> dict[str, str]:
        """Identifier -> type, from `objectType` or `receptacleType` facts."""
        return {f[1]: f[2].removesuffix("Type") for f in self.facts if f[0] == predicate}

    def arguments(self, predicate: str) -> set[str]:
        """The first arguments of all facts with this predicate."""
        return {fact[1] for fact in self.facts if fact[0] == predicate}


def read_scene(trial: Path) -> Scene:
    """Read the two files of a trial folder."""
    meta = json.loads((trial / "traj_data.json").read_text())
    problem = json.loads((trial / "game.tw-pddl").read_text())["pddl_problem"]
    init = problem[problem.index("(:init") + 6 : problem.index("(:goal")]
    parameters = meta["pddl_params"]
    return Scene(
        number=meta["scene"]["scene_num"],
        task_type=meta["task_type"],
        object_target=parameters["object_target"],
        place_target=parameters["parent_target"] or parameters["toggle_target"],
        facts=[tuple(fact.split()) for fact in re.findall(r"\(([^()]*)\)", init)],
    )


def weights(counter: Counter, total: float) -> str:
    """`name:per mille` pairs, most frequent first for names, ascending for numbers."""
    named = any(isinstance(key, str) for key in counter)
    rows = counter.most_common() if named else sorted(counter.items())
    shares = [(key, round(1000 * n / total)) for key, n in rows]
    return " ".join(f"{key}:{share}" for key, share in shares if share)


def receptacle_counts(scenes: list[Scene]) -> dict[str, Counter]:
    """Receptacle type -> how many of it a floor plan has (each plan counts once)."""
    plans = {scene.number: Counter(scene.types("receptacleType").values()) for scene in scenes}
    names = sorted({name for plan in plans.values() for name in plan})
    return {name: Counter(plan[name] for plan in plans.values()) for name in names}


def object_counts(scenes: list[Scene]) -> dict[str, Counter]:
    """Object type -> how many instances a game has of it."""
    games = [Counter(scene.types("objectType").values()) for scene in scenes]
    names = sorted({name for game in games for name in game})
    return {name: Counter(game[name] for game in games) for name in names}


def object_places(scenes: list[Scene]) -> dict[str, Counter]:
    """Object type -> place -> chance that an instance is there, rare places left out.

    The chance is that of one receptacle of the type; `floor` is the chance of being in no
    receptacle at all.
    """
    placed: dict[str, Counter] = defaultdict(Counter)
    chances: dict[str, Counter] = defaultdict(Counter)
    for scene in scenes:
        receptacles, objects = scene.types("receptacleType"), scene.types("objectType")
        available = Counter(receptacles.values()) + Counter([FLOOR])
        places = dict.fromkeys(objects, FLOOR)
        for fact in scene.facts:
            if fact[0] == "inReceptacle" and places.get(fact[1]) == FLOOR:
                places[fact[1]] = receptacles[fact[2]]
        for name, number in Counter(objects.values()).items():
            for place, instances in available.items():
                chances[name][place] += number * instances
        for identifier, place in places.items():
            placed[objects[identifier]][place] += 1
    return {
        name: Counter(
            {
                place: n / chances[name][place]
                for place, n in row.items()
                if n >= max(2, LEAST_SHARE * row.total())
            }
        )
        for name, row in placed.items()
    }


def wanted_counts(scenes: list[Scene]) -> dict[str, str]:
    """Task type -> how many instances of the object it asks for a game has."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for scene in scenes:
        objects = Counter(scene.types("objectType").values())
        counts[scene.task_type][objects[scene.object_target]] += 1
    return {task: weights(numbers, numbers.total()) for task, numbers in sorted(counts.items())}


def goal_tables(scenes: list[Scene]) -> dict[str, dict[str, Counter]]:
    """Task type -> object type -> target receptacle (or lamp) -> number of games."""
    goals: dict[str, dict[str, Counter]] = defaultdict(lambda: defaultdict(Counter))
    for scene in scenes:
        goals[scene.task_type][scene.object_target][scene.place_target] += 1
    return goals


def openable_shares(scenes: list[Scene]) -> dict[str, int]:
    """Receptacle type -> per mille of its instances that can be opened (others: left out)."""
    total, openable = Counter(), Counter()
    for scene in scenes:
        doors = scene.arguments("openable")
        for identifier, name in scene.types("receptacleType").items():
            total[name] += 1
            openable[name] += identifier in doors
    return {name: round(1000 * n / total[name]) for name, n in sorted(openable.items()) if n}


def sharing_shares(scenes: list[Scene]) -> dict[str, int]:
    """Receptacle type -> per mille of its instances that share a location with another one."""
    total, shared = Counter(), Counter()
    for scene in scenes:
        names = scene.types("receptacleType")
        at: dict[str, list[str]] = defaultdict(list)
        for fact in scene.facts:
            if fact[0] == "receptacleAtLocation":
                at[fact[2]].append(names[fact[1]])
        for group in at.values():
            total.update(group)
            shared.update(group if len(group) > 1 else ())
    return {name: round(1000 * n / total[name]) for name, n in sorted(shared.items()) if n}


def fact_sets(scenes: list[Scene]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Property -> object types that have it; receptacle type -> object types it can hold."""
    properties: dict[str, set[str]] = {key: set() for key in PROPERTIES.values()}
    holds: dict[str, set[str]] = defaultdict(set)
    for scene in scenes:
        names = scene.types("objectType")
        for fact in scene.facts:
            if fact[0] in PROPERTIES and fact[1] in names:
                properties[PROPERTIES[fact[0]]].add(names[fact[1]])
            elif fact[0] == "canContain":
                holds[fact[1].removesuffix("Type")].add(fact[2].removesuffix("Type"))
    return properties, holds


def print_table(header: str, rows: dict[str, str | int]) -> None:
    """One TOML table with a row per line."""
    print(f"\n[{header}]")
    for key, value in rows.items():
        print(f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"')


def main(folder: Path) -> None:
    """Print the table for all games under `folder`."""
    scenes = [read_scene(path.parent) for path in sorted(folder.glob("*/*/game.tw-pddl"))]
    if not scenes:
        sys.exit(f"no */*/game.tw-pddl under {folder}; pass the official train folder")
    properties, holds = fact_sets(scenes)
    print("# How often things occur in the official ALFWorld train games, per kind of room.")
    print(f"# Counted over {len(scenes)} games by scripts/alfworld_room_statistics.py.")
    print("# `name:n` is a weight, per mille where not said otherwise; see docs/generator.md.")
    print_table("openable", dict(openable_shares(scenes)))
    print_table("shared", dict(sharing_shares(scenes)))
    print_table("properties", {k: " ".join(sorted(v)) for k, v in properties.items()})
    print_table("holds", {k: " ".join(sorted(v)) for k, v in sorted(holds.items())})
    print_table("wanted", dict(wanted_counts(scenes)))
    for room in ROOMS.values():
        mine = [scene for scene in scenes if scene.room == room]
        plans = len({scene.number for scene in mine})
        counts = receptacle_counts(mine)
        print_table(f"{room}.receptacles", {k: weights(c, plans) for k, c in counts.items()})
        print(f"\n[{room}.objects]")
        places = object_places(mine)
        for name, numbers in object_counts(mine).items():
            count, on = weights(numbers, len(mine)), weights(places[name], 1)
            if on and ":" in count:
                print(f'{name} = {{ count = "{count}", on = "{on}" }}')
        for task, goals in sorted(goal_tables(mine).items()):
            rows = {
                name: " ".join(f"{place}:{n}" for place, n in places.most_common())
                for name, places in sorted(goals.items())
            }
            print_table(f"{room}.goals.{task}", dict(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
