"""A furnished room in which a goal can be reached and is not yet."""

from __future__ import annotations

import random
from dataclasses import dataclass

from proxmo.envs.alfworld.generator.goal import TREATMENTS, GameGoal
from proxmo.envs.alfworld.generator.rooms import FLOOR, ObjectRow, Room, Tables, tables

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
class RoomLayout:
    """A furnished room and a task in it: all that a game file says."""

    goal: GameGoal
    receptacles: tuple[Receptacle, ...]
    things: tuple[Thing, ...]
    spots: tuple[str, ...]
    """Locations of the floor where no receptacle is reached; the agent starts at the first."""


def furnish(rng: random.Random, goal: GameGoal) -> RoomLayout:
    """A room of the goal's kind in which the goal can be reached and is not yet."""
    table = tables()
    room = table.rooms[goal.room]
    names = _draw_furniture(rng, room, goal)
    receptacles, basins, spots = _place_furniture(rng, table, names)
    things = basins + _scatter(rng, table, room, goal, receptacles, spots)
    return RoomLayout(goal, tuple(receptacles), tuple(things), tuple(spots))


def _draw_furniture(rng: random.Random, room: Room, goal: GameGoal) -> list[str]:
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


def _sources(room: Room, goal: GameGoal, thing: str) -> dict[str, int]:
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
    goal: GameGoal,
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


def _draw_number(
    rng: random.Random, table: Tables, goal: GameGoal, name: str, row: ObjectRow
) -> int:
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
