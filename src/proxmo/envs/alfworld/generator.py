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
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import accumulate
from pathlib import Path
from typing import Any

from proxmo.envs.alfworld.games import SPLITS, TASK_TYPES, Game, Source
from proxmo.envs.alfworld.rooms import FLOOR, ObjectRow, Room, Tables, tables
from proxmo.errors import InputError

SENTENCES = {
    "pick_and_place_simple": ("put a {thing} in {place}.", "put some {thing} on {place}."),
    "look_at_obj_in_light": (
        "look at {thing} under the {place}.",
        "examine the {thing} with the {place}.",
    ),
    "pick_clean_then_place_in_recep": (
        "put a clean {thing} in {place}.",
        "clean some {thing} and put it in {place}.",
    ),
    "pick_heat_then_place_in_recep": (
        "put a hot {thing} in {place}.",
        "heat some {thing} and put it in {place}.",
    ),
    "pick_cool_then_place_in_recep": (
        "put a cool {thing} in {place}.",
        "cool some {thing} and put it in {place}.",
    ),
    "pick_two_obj_and_place": (
        "put two {thing} in {place}.",
        "find two {thing} and put them in {place}.",
    ),
}
"""The official goal sentences, two for each task type, used equally often."""

TREATMENTS = {
    "pick_clean_then_place_in_recep": ("clean", "SinkBasin", "cleanable", "isClean"),
    "pick_heat_then_place_in_recep": ("heat", "Microwave", "heatable", "isHot"),
    "pick_cool_then_place_in_recep": ("cool", "Fridge", "coolable", "isCool"),
}
"""Task type -> command, appliance, property the object needs, predicate it then has."""

SCENE_NUMBERS = {"kitchen": 1000, "livingroom": 1200, "bedroom": 1300, "bathroom": 1400}
"""First scene number of each kind of room: the official ones (0, 200, 300, 400) plus 1000."""

BASINS = {"SinkBasin": "Sink", "BathtubBasin": "Bathtub"}
"""Receptacles that are part of an object, which stands at the same spot."""

HEIGHTS = {
    "Cabinet": (0.4, 2.1),
    "Drawer": (0.3, 0.8),
    "Shelf": (0.5, 1.8),
    "CounterTop": (0.9, 1.0),
    "Microwave": (0.9, 1.6),
    "CoffeeMachine": (0.9, 1.0),
    "Toaster": (0.9, 1.0),
    "StoveBurner": (0.9, 0.95),
    "SinkBasin": (0.75, 0.9),
    "TowelHolder": (1.2, 1.6),
    "HandTowelHolder": (1.5, 1.8),
    "ToiletPaperHanger": (0.7, 1.0),
}
"""Metres above the floor, lowest and highest, where a receptacle does not stand on it."""

COLD_SHARE = 0.05
"""Share of things in a fridge that are already cool, as in the official games."""
NEARBY_SHARE = 0.13
"""Share of things on the floor that lie where some receptacle is reached from."""
SPOTS = 6
"""Places on the floor that belong to no receptacle, besides the one where the agent starts."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a game asks for."""

    task_type: str
    room: str
    thing: str
    """Object type, such as "Apple"."""
    place: str
    """Receptacle type, or the type of the lamp to look under."""
    sentence: str

    @property
    def instances(self) -> int:
        """How many instances of the object the task needs."""
        return 2 if self.task_type == "pick_two_obj_and_place" else 1

    @property
    def under_lamp(self) -> bool:
        """Whether `place` is a lamp rather than a receptacle."""
        return self.task_type == "look_at_obj_in_light"

    @property
    def needs(self) -> tuple[str, ...]:
        """Types of the objects that the task cannot do without."""
        return (self.thing, self.place) if self.under_lamp else (self.thing,)


@dataclass(frozen=True, slots=True)
class Receptacle:
    """A piece of furniture, an appliance, a drawer."""

    id: str
    type: str
    location: str
    openable: bool
    position: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Thing:
    """An object, in or on a receptacle or on the floor (`inside` is None)."""

    id: str
    type: str
    location: str
    inside: Receptacle | None
    cool: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A furnished room and a task in it: all that a game file says."""

    goal: Goal
    receptacles: tuple[Receptacle, ...]
    things: tuple[Thing, ...]
    spots: tuple[str, ...]
    """Locations of the floor where no receptacle is reached; the agent starts at the first."""


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
    def layout(self) -> Layout:
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


def generate(
    seed: int, count: int, task_types: Sequence[str] | None = None, split: str = "train"
) -> list[GeneratedGame]:
    """The first `count` games of a stream.

    Streams of different `split` or `seed` have no draws in common. `task_types` restricts
    the tasks (those left keep their official shares); it is part of the stream's name, so
    that `generate(0, 10)` and `generate(0, 10, ["pick_two_obj_and_place"])` differ.

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
    return resources.files("proxmo.envs.alfworld").joinpath(name).read_text(encoding="utf-8")


@cache
def _goals(allowed: tuple[str, ...]) -> tuple[list[tuple[str, str, str, str]], list[int]]:
    """All (task type, room, object, place), and their cumulative official counts."""
    goals, weights = [], []
    for room in tables().rooms.values():
        for task in allowed:
            for (thing, place), weight in room.goals.get(task, {}).items():
                goals.append((task, room.name, thing, place))
                weights.append(weight)
    return goals, list(accumulate(weights))


def draw_goal(rng: random.Random, allowed: tuple[str, ...]) -> Goal:
    """A task, as often as the official games set it."""
    goals, cumulative = _goals(allowed)
    task, room, thing, place = rng.choices(goals, cum_weights=cumulative)[0]
    sentence = rng.choice(SENTENCES[task]).format(thing=thing.lower(), place=place.lower())
    return Goal(task, room, thing, place, sentence)


def furnish(rng: random.Random, goal: Goal) -> Layout:
    """A room of the goal's kind in which the goal can be reached and is not yet."""
    table = tables()
    room = table.rooms[goal.room]
    names = _draw_furniture(rng, room, goal)
    receptacles, basins, spots = _place_furniture(rng, table, names)
    things = basins + _scatter(rng, table, room, goal, receptacles, spots)
    return Layout(goal, tuple(receptacles), tuple(things), tuple(spots))


def _draw_furniture(rng: random.Random, room: Room, goal: Goal) -> list[str]:
    """Receptacle types of a room, one entry an instance, with all that the goal needs."""
    required = set()
    if not goal.under_lamp:
        required.add(goal.place)
    if goal.task_type in TREATMENTS:
        required.add(TREATMENTS[goal.task_type][1])
    number = {}
    for name, counts in room.receptacles.items():
        counts = counts.at_least(1) if name in required else counts
        number[name] = rng.choices(counts.numbers, cum_weights=counts.cumulative)[0]
    for thing in goal.needs:
        places = _sources(room, goal, thing)
        if not any(number[place] for place in places):
            number[rng.choices(list(places), weights=list(places.values()))[0]] = 1
    return [name for name, instances in number.items() for _ in range(instances)]


def _sources(room: Room, goal: Goal, thing: str) -> dict[str, int]:
    """Receptacle types that an object needed for the goal may start in, with weights.

    As in the official games, it never starts where it is to be cleaned, heated or cooled,
    nor in the target when it only has to be put there: the game would begin (half) solved.
    Nor on the floor, where nothing can be picked up.
    """
    barred = TREATMENTS[goal.task_type][1] if goal.task_type in TREATMENTS else goal.place
    places = room.objects[thing].places
    return {place: weight for place, weight in places.items() if place not in (FLOOR, barred)}


class _Locations:
    """Hands out grid locations, each once. A step of the grid is 0.25 m."""

    def __init__(self) -> None:
        self._used: set[tuple[int, int]] = set()

    def near(self, x: float, z: float, facing: int, tilt: int) -> str:
        """The name of the free location nearest to (x, z), seen in a direction."""
        column, row = round(x / 0.25), round(z / 0.25)
        # Aside along the wall, first this way and then that, until a cell is free.
        for distance in range(1000):
            shift = distance // 2 if distance % 2 else -(distance // 2)
            cell = (column + shift, row) if facing % 2 == 0 else (column, row + shift)
            if cell not in self._used:
                self._used.add(cell)
                return "loc_bar_" + "_bar_".join(map(_integer, (*cell, facing, tilt)))
        raise AssertionError("a room has far fewer than 1000 locations")


def _place_furniture(
    rng: random.Random, table: Tables, names: list[str]
) -> tuple[list[Receptacle], list[Thing], list[str]]:
    """Receptacles along the walls, the basins' own objects, and free spots of the floor."""
    width, depth = rng.uniform(2.5, 4.5), rng.uniform(2.5, 4.5)
    groups = _group(rng, table, names)
    rng.shuffle(groups)
    locations, identifiers = _Locations(), _Identifiers()
    receptacles: list[Receptacle] = []
    basins: list[Thing] = []
    for index, group in enumerate(groups):
        x, z, facing = _along_wall((index + rng.random()) / len(groups), width, depth)
        low, high = HEIGHTS.get(group[0], (0.0, 0.0))
        height = rng.uniform(low, high)
        inward = {0: (0, -1), 1: (-1, 0), 2: (0, 1), 3: (1, 0)}[facing]
        tilt = 60 if height < 0.5 else 45 if height < 1.1 else -15
        location = locations.near(x + 0.6 * inward[0], z + 0.6 * inward[1], facing, tilt)
        for step, name in enumerate(group):
            position = (x + 0.05 * step, height + 0.12 * step, z + 0.03 * step)
            body = BASINS.get(name)
            if body is None:
                identifier = identifiers.new(name, position)
            else:
                basins.append(Thing(identifiers.new(body, position), body, location, None))
                identifier = f"{basins[-1].id}_bar_{name}"
            openable = rng.random() < table.openable.get(name, 0.0)
            receptacles.append(Receptacle(identifier, name, location, openable, position))
    spots = [
        locations.near(rng.uniform(-width, width) / 2, rng.uniform(-depth, depth) / 2, 2, 30)
        for _ in range(SPOTS + 1)
    ]
    return receptacles, basins, spots


def _group(rng: random.Random, table: Tables, names: list[str]) -> list[list[str]]:
    """Neighbours in the list, joined where they share the location they are reached from.

    Such as a stack of drawers, or a toaster on a counter.
    """
    groups: list[list[str]] = []
    for name in names:
        joins = table.shared.get(name, 0.0)
        # Each one joins its neighbour with q: then 1 - (1 - q)^2 share with someone.
        if groups and groups[-1][-1] in table.shared and rng.random() < 1 - (1 - joins) ** 0.5:
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def _along_wall(share: float, width: float, depth: float) -> tuple[float, float, int]:
    """The point a share of the way round the room: x, z, and the wall it is on (0-3)."""
    walls = (width, depth, width, depth)
    distance, wall = share * sum(walls), 0
    while wall < 3 and distance > walls[wall]:
        distance -= walls[wall]
        wall += 1
    along = distance / walls[wall] - 0.5
    x, z = (along * width, depth / 2) if wall % 2 == 0 else (width / 2, along * depth)
    return (x, z, wall) if wall < 2 else (-x, -z, wall)


def _scatter(
    rng: random.Random,
    table: Tables,
    room: Room,
    goal: Goal,
    receptacles: list[Receptacle],
    spots: list[str],
) -> list[Thing]:
    """Objects in the numbers and on the receptacles that are usual for the room."""
    identifiers = _Identifiers()
    things: list[Thing] = []
    # What may be cool already, unless the task is to cool it.
    coolable = frozenset() if "cool" in goal.task_type else table.properties["coolable"]
    for name, row in room.objects.items():
        if name in BASINS.values():
            continue
        number = _draw_number(rng, table, goal, name, row)
        places = _sources(room, goal, name) if name in goal.needs else row.places
        weights = [places.get(receptacle.type, 0) for receptacle in receptacles]
        weights.append(places.get(FLOOR, 0))
        if not number or not any(weights):
            continue
        for inside in rng.choices([*receptacles, None], weights=weights, k=number):
            location, (x, y, z) = _lay(rng, inside, receptacles, spots)
            position = (x + rng.uniform(-0.3, 0.3), y + 0.1, z + rng.uniform(-0.3, 0.3))
            in_fridge = inside is not None and inside.type == "Fridge" and name in coolable
            cool = in_fridge and rng.random() < COLD_SHARE
            things.append(Thing(identifiers.new(name, position), name, location, inside, cool))
    return things


def _draw_number(rng: random.Random, table: Tables, goal: Goal, name: str, row: ObjectRow) -> int:
    """How many instances of an object the room gets."""
    counts = row.count.at_least(1) if name in goal.needs else row.count
    if name == goal.thing:
        counts = table.wanted[goal.task_type]
    return rng.choices(counts.numbers, cum_weights=counts.cumulative)[0]


def _lay(
    rng: random.Random, inside: Receptacle | None, receptacles: list[Receptacle], spots: list[str]
) -> tuple[str, tuple[float, float, float]]:
    """Location and position of a thing in or on a receptacle, or somewhere on the floor."""
    if inside is not None:
        return inside.location, inside.position
    x, z = rng.uniform(-2, 2), rng.uniform(-2, 2)
    near = rng.random() < NEARBY_SHARE
    return rng.choice(receptacles).location if near else rng.choice(spots[1:]), (x, 0.0, z)


def _integer(value: int) -> str:
    return f"_minus_{-value}" if value < 0 else str(value)


def _coordinate(value: float) -> str:
    sign = "_minus_" if value < 0 else "_plus_"
    return sign + f"{abs(value):05.2f}".replace(".", "_dot_")


class _Identifiers:
    """Makes official-style identifiers (type and position), no two alike."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def new(self, name: str, position: tuple[float, float, float]) -> str:
        """`name_bar_x_bar_y_bar_z`, moved up by centimetres until it is new."""
        x, y, z = position
        while True:
            identifier = "_bar_".join((name, *map(_coordinate, (x, y, z))))
            if identifier not in self._used:
                self._used.add(identifier)
                return identifier
            y += 0.01


def names_of(identifiers: Iterable[str]) -> dict[str, str]:
    """Identifier -> the name that an agent reads, such as "sinkbasin 1".

    ALFWorld numbers the instances of a type from the end of their sorted identifiers.
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    # PDDL knows no upper case, and ALFWorld sorts what the planner gives it.
    for identifier in sorted(identifiers, key=str.lower):
        kind = identifier.lower().split("_bar_", 1)[0]
        kinds[kind + "basin" * ("basin" in identifier.lower())].append(identifier)
    return {
        identifier: f"{kind} {len(members) - rank}"
        for kind, members in kinds.items()
        for rank, identifier in enumerate(members)
    }


def solve(layout: Layout) -> list[str]:
    """Commands that reach the goal, from full knowledge of the room.

    Of several objects that would do, it takes those that lie open.
    """
    names = names_of([part.id for part in (*layout.receptacles, *layout.things)])
    goal = layout.goal
    plan: list[str] = []
    here = layout.spots[0]
    opened: set[str] = set()

    def visit(receptacle: Receptacle, enter: bool = True) -> str:
        """Go there, and open it when something goes in or out; returns its name."""
        nonlocal here
        name = names[receptacle.id]
        if receptacle.location != here:
            plan.append(f"go to {name}")
            here = receptacle.location
        if enter and receptacle.openable and name not in opened:
            plan.append(f"open {name}")
            opened.add(name)
        return name

    def first(test: Callable[[Receptacle], bool]) -> Receptacle:
        return next(receptacle for receptacle in layout.receptacles if test(receptacle))

    target = None if goal.under_lamp else first(lambda r: r.type == goal.place)
    wanted = [(t, t.inside) for t in layout.things if t.type == goal.thing and t.inside]
    wanted.sort(key=lambda pair: pair[1].openable)
    for thing, source in wanted[: goal.instances]:
        plan.append(f"take {names[thing.id]} from {visit(source)}")
        if goal.task_type in TREATMENTS:
            verb, appliance, *_ = TREATMENTS[goal.task_type]
            station = visit(first(lambda r, a=appliance: r.type == a), enter=False)
            plan.append(f"{verb} {names[thing.id]} with {station}")
        if target is not None:
            plan.append(f"move {names[thing.id]} to {visit(target)}")
    if goal.under_lamp:
        lamp, stand = next(
            (t, t.inside) for t in layout.things if t.type == goal.place and t.inside
        )
        visit(stand, enter=False)
        plan.append(f"use {names[lamp.id]}")
    return plan


@cache
def _declarations() -> str:
    """The types of all receptacles and objects, as the official problems declare them."""
    table = tables()
    receptacles = {*table.holds, *(r for room in table.rooms.values() for r in room.receptacles)}
    objects = {
        *(name for room in table.rooms.values() for name in room.objects),
        *(name for held in table.holds.values() for name in held),
        *BASINS.values(),
    }
    lines = [f"    {name}Type - otype" for name in sorted(objects)]
    lines += [f"    {name}Type - rtype" for name in sorted(receptacles)]
    return "\n".join(lines)


def write_problem(layout: Layout, name: str) -> str:
    """The PDDL problem of a layout, in the order of the official files."""
    table = tables()
    things, receptacles = layout.things, layout.receptacles
    held = {thing.type for thing in things}
    kinds = dict.fromkeys(receptacle.type for receptacle in receptacles)
    locations = dict.fromkeys(
        [part.location for part in (*receptacles, *things)] + list(layout.spots)
    )
    objects = [f"{thing.id} - object" for thing in things]
    objects += [f"{receptacle.id} - receptacle" for receptacle in receptacles]
    objects += [f"{location} - location" for location in locations]
    facts = [f"(receptacleType {r.id} {r.type}Type)" for r in receptacles]
    facts += [f"(objectType {t.id} {t.type}Type)" for t in things]
    facts += [
        f"(canContain {kind}Type {thing}Type)"
        for kind in kinds
        for thing in sorted(table.holds.get(kind, frozenset()) & held)
    ]
    facts += _properties(things, ("pickupable", "isReceptacleObject"))
    facts += [f"(openable {r.id})" for r in receptacles if r.openable]
    facts.append(f"(atLocation agent1 {layout.spots[0]})")
    facts += _properties(things, ("cleanable", "heatable", "coolable"))
    facts += [f"(isCool {t.id})" for t in things if t.cool]
    facts += _properties(things, ("toggleable", "sliceable"))
    facts += [f"(inReceptacle {t.id} {t.inside.id})" for t in things if t.inside is not None]
    facts += [f"(receptacleAtLocation {r.id} {r.location})" for r in receptacles]
    facts += [f"(objectAtLocation {t.id} {t.location})" for t in things]
    return "\n".join(
        [
            f"(define (problem plan_{name})",
            "(:domain alfred)",
            "(:objects",
            "    agent1 - agent",
            _declarations(),
            *(f"    {line}" for line in objects),
            ")",
            "(:init",
            *(f"    {fact}" for fact in facts),
            ")",
            write_goal(layout.goal),
            ")",
            "",
        ]
    )


def _properties(things: Sequence[Thing], predicates: Sequence[str]) -> list[str]:
    """Facts about what can be done with objects, one predicate after the other."""
    table = tables().properties
    lines = []
    for predicate in predicates:
        names = table["container" if predicate == "isReceptacleObject" else predicate]
        lines += [f"({predicate} {thing.id})" for thing in things if thing.type in names]
    return lines


def write_goal(goal: Goal) -> str:
    """The PDDL goal, as the official games state it for each task type."""
    if goal.under_lamp:
        return (
            "(:goal (and"
            "\n    (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and"
            f"\n        (objectType ?ot {goal.place}Type) (toggleable ?ot) (isToggled ?ot)"
            "\n        (receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r)))"
            "\n    (exists (?o - object ?a - agent) (and"
            f"\n        (objectType ?o {goal.thing}Type) (holds ?a ?o)))))"
        )
    placed = "(objectType {o} {thing}Type) (receptacleType ?r {place}Type) (inReceptacle {o} ?r)"
    if goal.instances == 2:
        one = placed.format(o="?o1", thing=goal.thing, place=goal.place)
        two = placed.format(o="?o2", thing=goal.thing, place=goal.place)
        return (
            "(:goal (and (exists (?r - receptacle) (exists (?o1 - object) (and"
            f"\n    {one}"
            f"\n    (exists (?o2 - object) (and (not (= ?o1 ?o2))"
            f"\n        {two})))))))"
        )
    facts = placed.format(o="?o", thing=goal.thing, place=goal.place)
    if goal.task_type in TREATMENTS:
        *_, ability, result = TREATMENTS[goal.task_type]
        facts = f"({ability} ?o) ({result} ?o) {facts}"
    return f"(:goal (and (exists (?r - receptacle) (exists (?o - object) (and\n    {facts})))))"
